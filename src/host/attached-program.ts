/** A program whose input and output somebody has who is elsewhere: by three streams, or by a terminal. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { openPty, type TerminalSize } from "./pty.ts";

export interface AttachedProgram extends AsyncDisposable {
  /** What it writes, as it comes; a terminal has no `errors`. While nobody takes it, it waits. */
  readonly output: AsyncIterable<Uint8Array>;
  readonly errors: AsyncIterable<Uint8Array>;
  /** The terminal, as the machine names it. */
  readonly terminal: string | undefined;
  /** Resolves when the program, or the system for it, has taken the bytes, and when it takes none any more. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Its input is at its end; a terminal's never is. */
  readonly endInput: () => void;
  readonly resize: (size: TerminalSize) => void;
  /** Its exit code, 128 and the number of a signal; once it has ended. @throws NodeJS.ErrnoException where it cannot be run */
  readonly ended: Promise<number>;
}

const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" } as const;
const SIGNALLED = 128;

/** What a program is started with: with the terminal that it gets, where it gets one. It ends with the scope, killed if need be. */
type Argv = (terminal: string | undefined) => Promise<readonly [string, ...string[]]>;

export async function attachedProgram(argvFor: Argv, size: TerminalSize | undefined): Promise<AttachedProgram> {
  return size === undefined ? await withStreams(argvFor) : await withTerminal(argvFor, size);
}

async function withStreams(argvFor: Argv): Promise<AttachedProgram> {
  const [file, ...args] = await argvFor(undefined);
  const child = spawn(file, args, { env: ENVIRONMENT, stdio: ["pipe", "pipe", "pipe"] });
  const { stdin, stdout, stderr } = child;
  stdin.on("error", () => {}); // it reads no more
  return {
    ...{ output: stdout, errors: stderr, terminal: undefined, ended: endOf(child) },
    write: async (bytes) => {
      if (stdin.destroyed || stdin.write(bytes)) return;
      const over = new AbortController();
      const { signal } = over;
      await Promise.race([once(stdin, "drain", { signal }), once(stdin, "close", { signal })]);
      over.abort();
    },
    endInput: () => void stdin.end(),
    resize: () => {},
    [Symbol.asyncDispose]: async () => await killed(child, [stdout, stderr]),
  };
}

async function withTerminal(argvFor: Argv, size: TerminalSize): Promise<AttachedProgram> {
  using scope = new DisposableStack();
  const pty = scope.use(openPty(size));
  const [file, ...args] = await argvFor(pty.path);
  const child = spawn(file, args, { env: ENVIRONMENT, stdio: [pty.fd, pty.fd, pty.fd] });
  pty.handedOver();
  const kept = scope.move();
  return {
    ...{ output: pty.output, errors: nothing(), terminal: pty.path, ended: endOf(child) },
    ...{ write: pty.type, resize: pty.resize, endInput: () => {} },
    [Symbol.asyncDispose]: async () => {
      await killed(child, []);
      kept.dispose();
    },
  };
}

// eslint-disable-next-line require-yield -- a terminal has one stream
async function* nothing(): AsyncGenerator<Uint8Array> {}

async function killed(child: ChildProcess, streams: readonly Readable[]): Promise<void> {
  for (const stream of streams) stream.destroy();
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

async function endOf(child: ChildProcess): Promise<number> {
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? SIGNALLED + constants.signals[signal!]));
  });
  ended.catch(() => {}); // it is for whoever asks
  return await ended;
}
