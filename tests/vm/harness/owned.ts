import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { API_PORT } from "../../../src/layout/api-places.ts";
import { petrify, workspace, type CliOptions, type CliRun } from "../../support/cli.ts";
import { freePort } from "../../support/free-port.ts";
import { statusOf } from "./agent.ts";
import type { Guest } from "./guest.ts";

/** A workstation with an authority, and a way to a machine's API. */
export interface Owner extends AsyncDisposable {
  readonly folder: string;
  /** For a machine that is to be reached. */
  readonly forward: { readonly host: number; readonly guest: number };
  /** Gives the machine the authority while it runs; it is `node-7` from then on. */
  readonly own: (guest: Guest) => Promise<void>;
  /** Asks until there is an answer: an emulated machine that is busy may take longer to start a program than a caller waits. */
  readonly answers: (...args: string[]) => Promise<void>;
  /** `petrify -n node-7 …` */
  readonly call: (args: readonly string[], options?: Pick<CliOptions, "onEvent">) => Promise<CliRun>;
  /** The same, which has to succeed. @returns what the machine has answered */
  readonly told: <Value>(...args: string[]) => Promise<Value>;
}

const LIMIT_MS = 600_000;

export async function owner(): Promise<Owner> {
  const desk = await workspace();
  const forward = { host: await freePort(), guest: API_PORT };
  const env = { XDG_CONFIG_HOME: join(desk.folder, "config"), USER: "jo" };
  const run = async (args: readonly string[], options: Pick<CliOptions, "onEvent"> = {}): Promise<CliRun> =>
    await petrify([...args, "--json"], { cwd: desk.folder, env, limitMs: LIMIT_MS, ...options });
  const done = async (...args: string[]): Promise<unknown> => {
    const ran = await run(args);
    assert.equal(ran.exitCode, 0, `${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran.events.find(({ type }) => type === "result")?.["value"];
  };
  const answers = async (...args: string[]): Promise<void> => {
    const end = performance.now() + LIMIT_MS;
    for (;;) {
      const { exitCode, stdout } = await run(["-n", "node-7", ...args]);
      if (exitCode === 0) return;
      assert.ok(performance.now() < end, stdout);
    }
  };
  await done("gen", "secrets");
  await done("context", "add", "edge", "--secrets", "petrify-secrets");
  return {
    ...{ folder: desk.folder, forward },
    own: async (guest) => {
      const { fingerprint } = await statusOf(guest);
      const authority = (await readFile(join(desk.folder, "petrify-secrets/ca.pem"))).toString("base64");
      await guest.check(`mkdir -p -m 0700 /oem/petrify/api && echo ${authority} | base64 -d >/oem/petrify/api/ca.pem`);
      await done("context", "pin", "node-7", "--address", `127.0.0.1:${forward.host}`, "--key", fingerprint!);
      await answers("version");
    },
    answers,
    call: async (args, options) => await run(["-n", "node-7", ...args], options),
    told: async <Value>(...args: string[]): Promise<Value> => {
      const { nodes } = (await done("-n", "node-7", ...args)) as { readonly nodes: readonly [{ readonly value: Value }] };
      return nodes[0].value;
    },
    [Symbol.asyncDispose]: async () => await desk[Symbol.asyncDispose](),
  };
}
