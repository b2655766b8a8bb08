/** Test double of a workstation with a context, and of machines that it may call. */
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openApi, type ApiOptions } from "../../src/agent/api/open-api.ts";
import type { DebugTalk } from "../../src/agent/api/debug-service.ts";
import { fakeMachine, fakeStatus } from "../../src/agent/api/testing.ts";
import { readText } from "../../src/host/files.ts";
import { secondsNow } from "../../src/host/wall-clock.ts";
import { runForTest, type Ran } from "../../src/cli/testing.ts";

const HOST = "127.0.0.1";
export type Look = ApiOptions["answers"]["look"];

/** Machines by their names, and what each says of itself. @param agent that of each; default: what it says of itself @param debug that of each */
export async function desk(looks: Readonly<Record<string, Look>>, agent?: Look, debug?: DebugTalk) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-logs-"));
  const cwd = folder.path;
  const petrify = async (
    args: readonly string[],
    options: {
      signal?: AbortSignal;
      input?: NodeJS.ReadableStream;
      output?: NodeJS.WritableStream;
      onOut?: (text: string) => unknown;
      onErr?: (text: string) => unknown;
    } = {},
  ): Promise<Ran> => await runForTest(args, { cwd, env: { USER: "jo" }, ...options });
  const done = async (...args: string[]): Promise<void> => {
    const { exitCode, err } = await petrify(args);
    if (exitCode !== 0) throw new Error(`${args.join(" ")}: ${err}`);
  };
  await done("gen", "secrets");
  await done("context", "add", "edge", "--secrets", "petrify-secrets");
  const authorities = await readText(join(cwd, "petrify-secrets/ca.pem"));
  const servers: AsyncDisposable[] = [];
  for (const [name, look] of Object.entries(looks)) {
    const { fingerprint, ...pair } = await fakeMachine();
    const status = async () => await Promise.resolve(fakeStatus);
    const answers = { version: "1.2.3", look, status, operation: async function* () {} };
    const own = { ...pair, authorities, epoch: 0, now: secondsNow, log: () => {} };
    const api = await openApi({ at: { host: HOST, port: 0 }, ...own, ask: agent ?? look, answers, ...(debug ? { debug } : {}) });
    servers.push(api);
    await done("context", "pin", name, "--address", `${HOST}:${api.port}`, "--key", fingerprint);
  }
  return {
    ...{ petrify, cwd },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(servers.map(async (server) => await server[Symbol.asyncDispose]()));
      await folder.remove();
    },
  };
}
