import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { API_PORT } from "../../../src/layout/api-places.ts";
import type { CliRun } from "../../support/cli.ts";
import { freePort } from "../../support/free-port.ts";
import { statusOf } from "./agent.ts";
import type { Guest } from "./guest.ts";
import { workstation } from "./workstation.ts";

/** A workstation, and the way from it to the API of one machine, which is `node-7` there. */
export interface Owner extends AsyncDisposable {
  readonly folder: string;
  /** For the machine. */
  readonly forward: { readonly host: number; readonly guest: number };
  /** Gives the machine the authority while it runs, and waits until its API answers. */
  readonly own: (guest: Guest) => Promise<void>;
  /** Asks until there is an answer: an emulated machine that is busy may take longer to start a program than a caller waits. */
  readonly answers: (...args: string[]) => Promise<void>;
  /** `petrify -n node-7 …` */
  readonly call: (args: readonly string[]) => Promise<CliRun>;
  /** The same, once, which has to succeed. @returns what the machine has answered */
  readonly told: <Value>(...args: string[]) => Promise<Value>;
}

export async function owner(): Promise<Owner> {
  const desk = await workstation();
  const forward = { host: await freePort(), guest: API_PORT };
  const answers = async (...args: string[]): Promise<void> => void (await desk.told("node-7", ...args));
  return {
    ...{ folder: desk.folder, forward, answers },
    own: async (guest) => {
      const { fingerprint } = await statusOf(guest);
      const authority = (await readFile(join(desk.folder, "edge/ca.pem"))).toString("base64");
      await guest.check(`mkdir -p -m 0700 /oem/petrify/api && echo ${authority} | base64 -d >/oem/petrify/api/ca.pem`);
      await desk.done("context", "pin", "node-7", "--address", `127.0.0.1:${forward.host}`, "--key", fingerprint!);
      await answers("version");
    },
    call: async (args) => await desk.run("-n", "node-7", ...args),
    told: async <Value>(...args: string[]): Promise<Value> => {
      const { nodes } = await desk.done<{ readonly nodes: readonly [{ readonly value: Value }] }>("-n", "node-7", ...args);
      return nodes[0].value;
    },
    [Symbol.asyncDispose]: async () => await desk[Symbol.asyncDispose](),
  };
}
