/** A network of the test's own: nothing of it reaches the machine's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { run, type RunResult } from "../../src/host/run.ts";

export interface NetworkNamespace extends AsyncDisposable {
  /** Of a process in it: how `ip link … netns PID` names it. */
  readonly pid: number;
  /** In front of a command that is to run in it. */
  readonly prefix: readonly [string, ...string[]];
  ip(...words: readonly string[]): Promise<RunResult>;
}

/** Why this machine has no such networks, or false: what `skip` takes. */
export async function withoutNamespaces(): Promise<string | false> {
  if (process.getuid!() !== 0) return "only root has networks of its own";
  return await run(["unshare", "--net", "--", "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1"]).then(
    () => false,
    (error: unknown) => `this machine has no networks of one's own: ${(error as Error).message}`,
  );
}

/** Needs root. It is gone when the scope ends, with all that runs in it, and when this process ends. */
export async function networkNamespace(): Promise<NetworkNamespace> {
  // Holds the namespace until its input ends.
  const [program, ...args] = ["unshare", "--net", "--", "sh", "-c", "echo ready; exec cat >/dev/null"] as const;
  const holder = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  const prefix = ["nsenter", `--net=/proc/${holder.pid}/ns/net`, "--"] as [string, ...string[]];
  const ip = async (...words: readonly string[]): Promise<RunResult> => await run([...prefix, "ip", ...words]);
  await ip("link", "set", "lo", "up");
  return {
    pid: holder.pid!,
    prefix,
    ip,
    [Symbol.asyncDispose]: async () => {
      const ended = once(holder, "close");
      holder.stdin.end();
      await ended;
    },
  };
}
