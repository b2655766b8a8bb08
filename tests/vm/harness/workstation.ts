import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { petrify, workspace, type CliOptions, type CliRun } from "../../support/cli.ts";

/** Of an emulated machine that is busy; milliseconds. */
const LIMIT_MS = 1_800_000;
/** A machine that does not answer until then has a reason that it will not get rid of. */
const ANSWERS_MS = 600_000;
/** An emulated machine that is busy takes so long to start a program. */
const TRY_MS = 150_000;
const CLOCK = join(import.meta.dirname, "../../support/other-clock.ts");

export interface Workstation extends AsyncDisposable {
  readonly folder: string;
  readonly run: (...args: string[]) => Promise<CliRun>;
  /** The same, of what tells news and can be interrupted. */
  readonly runTelling: (onEvent: CliOptions["onEvent"], ...args: string[]) => Promise<CliRun>;
  /** Has to succeed. @returns its result */
  readonly done: <Value>(...args: string[]) => Promise<Value>;
  /** Has to fail. @returns its code */
  readonly failed: (...args: string[]) => Promise<string>;
  /** What one machine answers; it may be starting, so only for what may be asked twice. */
  readonly told: <Value>(node: string, ...args: string[]) => Promise<Value>;
  /** Its clock is that many seconds ahead from now on. */
  readonly setClockAhead: (seconds: number) => void;
}

/** Where somebody sits who owns machines: a home of its own with an authority, and the context that knows it, both called `edge`. */
export async function workstation(): Promise<Workstation> {
  const home = await workspace();
  const { folder } = home;
  let ahead = 0;
  const runTelling: Workstation["runTelling"] = async (onEvent, ...args) => {
    const clock = ahead === 0 ? {} : { NODE_OPTIONS: `--import=${CLOCK}`, PETRIFY_TEST_CLOCK_AHEAD: String(ahead) };
    const env = { HOME: folder, XDG_CONFIG_HOME: "", USER: "jo", ...clock };
    return await petrify([...args, "--json"], { cwd: folder, env, limitMs: LIMIT_MS, ...(onEvent && { onEvent }) });
  };
  const run: Workstation["run"] = async (...args) => await runTelling(undefined, ...args);
  const done = async <Value>(...args: string[]): Promise<Value> => {
    const ran = await run(...args);
    assert.equal(ran.exitCode, 0, `${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran.events.find(({ type }) => type === "result")!["value"] as Value;
  };
  const station: Workstation = {
    ...{ folder, run, runTelling, done },
    failed: async (...args) => {
      const ran = await run(...args);
      assert.notEqual(ran.exitCode, 0, `${args.join(" ")}: ${ran.stdout}`);
      return String(ran.events.at(-1)?.["code"]);
    },
    told: async <Value>(node: string, ...args: string[]) => {
      for (const end = performance.now() + ANSWERS_MS; ;) {
        try {
          return (await done<{ readonly nodes: readonly { readonly value: Value }[] }>("-n", node, ...args)).nodes[0]!.value;
        } catch (error) {
          if (performance.now() > end) throw error;
          await wait(1000);
        }
      }
    },
    setClockAhead: (seconds) => void (ahead = seconds),
    [Symbol.asyncDispose]: async () => await home[Symbol.asyncDispose](),
  };
  await addOwner(station, "edge");
  return station;
}

/** Another authority, and a context of that name for it; the first one stays in use. */
export async function addOwner({ folder, done }: Workstation, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await done("gen", "secrets", "--output", name);
  await done("context", "add", name, "--secrets", name);
  await done("context", "use", "edge");
}

/** What somebody gets of a call who has no certificate: the status of HTTP, or nothing where the connection ends. Asked again while nobody answers: the machine may have no address yet. */
export async function strangerAsks(port: number, method: string): Promise<number | undefined> {
  const headers = { "content-type": "application/json" };
  for (const end = performance.now() + ANSWERS_MS; performance.now() < end;) {
    const signal = AbortSignal.timeout(TRY_MS);
    const asked = request({
      ...{ host: "127.0.0.1", port, method: "POST", path: `/petrify.v1.${method}`, headers, rejectUnauthorized: false },
    }).end("{}");
    try {
      const [{ statusCode }] = (await once(asked, "response", { signal })) as [{ readonly statusCode: number }];
      return statusCode;
    } catch {
      if (!signal.aborted) return undefined;
    } finally {
      asked.on("error", () => {}).destroy();
    }
  }
  throw new Error(`nobody answers ${method} at port ${port}`);
}
