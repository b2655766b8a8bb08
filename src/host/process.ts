import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { killGroup } from "./process-group.ts";

/** How a program ended: its status, or the signal that killed it. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A program that runs beside us; it is killed, and waited for, when the scope ends. */
export interface LongProcess extends AsyncDisposable {
  /** The two-way streams the program sees as file descriptors 3, 4, …: connected sockets without a name on disk. */
  readonly channels: readonly Socket[];
  readonly exited: Promise<ProcessExit>;
  /** The last lines the program wrote to stdout and stderr. */
  tail(): string;
  kill(): void;
}

const TAIL_CHARACTERS = 16_384;
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" } as const;

/**
 * Starts a program that talks through `channels` sockets.
 *
 * It gets a process group of its own, so that Ctrl-C on the terminal reaches only us, and we end it in good order.
 *
 * @param onLine called with each line of stdout and stderr as it comes
 * @throws NodeJS.ErrnoException when the program cannot be started
 */
export async function startProcess(
  argv: readonly [string, ...string[]],
  channels: number,
  onLine: (line: string) => void = () => {},
): Promise<LongProcess> {
  const [file, ...args] = argv;
  const child = spawn(file, args, {
    env: ENVIRONMENT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe", ...Array.from({ length: channels }, () => "pipe" as const)],
  });
  let tail = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8");
    let rest = "";
    stream.on("data", (text: string) => {
      tail = (tail + text).slice(-TAIL_CHARACTERS);
      const lines = (rest + text).split("\n");
      rest = lines.pop()!.slice(-TAIL_CHARACTERS);
      for (const line of lines) onLine(line);
    });
  }
  const exited = new Promise<ProcessExit>((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  const sockets = child.stdio.slice(3) as unknown as Socket[];
  for (const socket of sockets) socket.on("error", () => {}); // the program's end says more
  let ended = false;
  child.once("close", () => (ended = true));
  // Once all of it has ended, its number may be somebody else's.
  const kill = (): void => {
    if (!ended) killGroup(child, "SIGKILL");
  };
  return {
    channels: sockets,
    exited,
    tail: () => tail,
    kill,
    [Symbol.asyncDispose]: async () => {
      kill();
      await exited;
    },
  };
}
