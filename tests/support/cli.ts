import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";

const MAIN = resolve(import.meta.dirname, "../../src/cli/main.ts");
/** Kept between runs, as a user's own cache is. */
export const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "petrify");

/** One line of `--json`. */
export interface CliEvent {
  /** `progress`, `result`, `error`, or a command's own. */
  readonly type: string;
  readonly [key: string]: unknown;
}
export interface CliRun {
  readonly exitCode: number | null;
  readonly events: readonly CliEvent[];
  readonly stdout: string;
  readonly stderr: string;
}
export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Run inside this command, e.g. `unshare …`. */
  readonly prefix?: readonly string[];
  /** Another path of the same Node and the same program. */
  readonly node?: string;
  readonly main?: string;
  /** The process is ended when it takes longer; default: for ever. */
  readonly limitMs?: number;
  /** Called with each JSON event; may interrupt the process. */
  readonly onEvent?: (event: CliEvent, interrupt: (signal?: NodeJS.Signals) => void) => void;
}

/** Runs the real program as a user would, in a process of its own. */
export async function petrify(
  args: readonly string[],
  { cwd, env, prefix = [], node = process.execPath, main = MAIN, limitMs, onEvent }: CliOptions,
): Promise<CliRun> {
  const argv = [...prefix, node, "--disable-warning=ExperimentalWarning", main, ...args];
  const child = spawn(argv[0]!, argv.slice(1), {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMs,
  });
  let stdout = "";
  let stderr = "";
  const events: CliEvent[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    stdout += `${line}\n`;
    if (!line.startsWith("{")) return;
    const event = JSON.parse(line) as CliEvent;
    events.push(event);
    onEvent?.(event, (signal = "SIGINT") => child.kill(signal));
  });
  const [exitCode] = (await once(child, "close")) as [number | null];
  return { exitCode, events, stdout, stderr };
}

export interface Workspace extends AsyncDisposable {
  readonly folder: string;
  /** Writes files below the folder. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
}

/** A user's folder. */
export async function workspace(files: Readonly<Record<string, string>> = {}): Promise<Workspace> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "test-"));
  const write: Workspace["write"] = async (more) => {
    for (const [path, text] of Object.entries(more)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
  };
  await write(files);
  return { folder, write, [Symbol.asyncDispose]: async () => await rm(folder, { recursive: true, force: true }) };
}

/** A cache of its own that shares what is slow to make: the tools tree and, unless `cold`, the packages. */
export async function ownCache(folder: string, { cold = false } = {}): Promise<string> {
  const cache = join(folder, "cache");
  await mkdir(cache);
  for (const name of ["tools", ...(cold ? [] : ["packages"])]) await symlink(join(CACHE, name), join(cache, name));
  return cache;
}

export const recipe = (more = ""): string => `apiVersion: petrify/v1\nname: test\nbase: { suite: trixie }\n${more}`;
