/** petrify-look as a machine has it, without the machine: with another journalctl. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, link, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { bundleForNode } from "../../src/host/bundle.ts";
import type { Bytes } from "../../src/core/units.ts";
import { TOKEN } from "./api-program.ts";
import { STARTED_NODE } from "./started-node.ts";

export const canReplacePrograms = async (): Promise<boolean> =>
  await promisify(execFile)("/usr/bin/unshare", ["--mount", "mount", "--bind", "/bin/true", "/usr/bin/journalctl"]).then(
    () => true,
    () => false,
  );

export interface StartedLook extends AsyncDisposable {
  readonly pid: number;
  readonly socket: string;
  /** That are in memory. */
  readonly memory: () => Promise<Bytes>;
  /** How many programs it has started that have not ended. */
  readonly programs: () => Promise<number>;
}

/** @param journalctl of a script that is there in its place */
export async function startLook(journalctl: string): Promise<StartedLook> {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-look-"));
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("look.mjs"), await bundleForNode(join(import.meta.dirname, "../../src/agent/look-main.ts"), {}));
  await writeFile(at("token"), TOKEN);
  await writeFile(at("journalctl"), journalctl);
  await chmod(at("journalctl"), 0o755);
  const listener = createServer().listen(at("listener"));
  await once(listener, "listening");
  await link(at("listener"), at("socket")); // Node removes its own when it closes it
  const { fd } = Reflect.get(listener, "_handle") as { readonly fd: number };
  const inside = `mount --bind ${at("journalctl")} /usr/bin/journalctl; export LISTEN_PID=$$; exec "$@"`;
  // As its unit starts it: src/build/rootfs.
  const node = [...STARTED_NODE, at("look.mjs"), at("token")];
  const child = spawn("/usr/bin/unshare", ["--mount", "sh", "-ec", inside, "sh", ...node], {
    env: { LISTEN_FDS: "1", MALLOC_ARENA_MAX: "1", PATH: process.env["PATH"] },
    stdio: ["ignore", "inherit", "inherit", fd],
  });
  listener.close();
  const ended = once(child, "exit");
  const pid = child.pid!;
  return {
    pid,
    socket: at("socket"),
    memory: async () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))![1]) * 1024,
    programs: async () => (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").filter(Boolean).length,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
      await folder.remove();
    },
  };
}
