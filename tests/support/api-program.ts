/** petrify-api as a machine has it, without the machine. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleForNode } from "../../src/host/bundle.ts";
import { serveWhileAsked, type LocalRoutes } from "../../src/host/unix-http.ts";
import { STARTED_NODE } from "./started-node.ts";

const TOP = join(import.meta.dirname, "../..");
/** What the local programs know each other by. */
export const TOKEN = "t";
/** Milliseconds; the most that a timer takes is 2^31 - 1. */
const FOREVER = 1e9;

export const apiProgram = async (): Promise<string> =>
  await bundleForNode(join(TOP, "src/agent/api-main.ts"), { PETRIFY_VERSION: "1.2.3" });

export interface StartedApi extends AsyncDisposable {
  readonly child: ChildProcess;
  /** Code and signal. */
  readonly ended: Promise<unknown[]>;
  readonly port: number;
  /** What it has logged. */
  readonly said: () => string;
}

/**
 * What systemd does: credentials in a folder, a socket that listens as descriptor 3, its own pid in the environment.
 *
 * @param agent what the agent answers
 */
export async function startApi(
  program: string,
  credentials: Readonly<Record<string, string>>,
  agent: LocalRoutes,
  { host = "127.0.0.1", look = "" }: { readonly host?: string; /** The socket of petrify-look. */ readonly look?: string } = {},
): Promise<StartedApi> {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-api-"));
  const at = (name: string): string => join(folder.path, name);
  for (const [name, text] of Object.entries({ token: TOKEN, ...credentials })) await writeFile(at(name), text);
  await writeFile(at("api.mjs"), program);
  const local = await serveWhileAsked(at("agent"), agent, TOKEN, { ms: FOREVER, end: () => {} });
  const listener = createServer().listen(0, host);
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const { fd } = Reflect.get(listener, "_handle") as { readonly fd: number };
  const script = 'export LISTEN_PID=$$; exec "$@"';
  const argv = ["-c", script, "sh", ...STARTED_NODE, at("api.mjs"), at("agent"), ...(look === "" ? [] : [look])];
  const env = { LISTEN_FDS: "1", CREDENTIALS_DIRECTORY: folder.path, MALLOC_ARENA_MAX: "1" };
  const child = spawn("sh", argv, { env, stdio: ["ignore", "ignore", "pipe", fd] });
  listener.close(); // this process's half of it: or it would take connections, too
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "exit");
  return {
    ...{ child, ended, port },
    said: () => said,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
      await local[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}
