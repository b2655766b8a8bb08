/** What answers `petrify config` on a machine, where there is none: the agent's own calls and engine, on files in memory. */
import { join } from "node:path";
import { carryOut } from "../../src/agent/config/carry-out.ts";
import { fakeNode, type FakeNode } from "../../src/agent/config/fake-ports.ts";
import { judge } from "../../src/agent/config/node-ports.ts";
import { applyRequest } from "../../src/agent/operations/wire.ts";
import { debian } from "../../src/config/machine/compile/fake-image.ts";
import { openGenerationStore } from "../../src/host/generation-store.ts";
import { serveLocally } from "../../src/host/unix-http.ts";

export interface ConfigAgent extends AsyncDisposable {
  /** What was done to the machine. */
  readonly done: readonly string[];
  /** Every call that came, with its mode. */
  readonly asked: readonly string[];
  readonly state: FakeNode["state"];
}

/** @param folder for its socket, `petrifyd.sock`, and what it keeps */
export async function configAgent(folder: string): Promise<ConfigAgent> {
  const asked: string[] = [];
  const node = fakeNode({ view: debian(), store: await openGenerationStore(join(folder, "config")), lay: () => [] });
  const ports = {
    ...{ ...node, judge, noneWanted: async () => {} },
    find: async () => await Promise.resolve({ documents: [], problems: [], waitsForNetwork: false }),
    beInstance: async () => await Promise.resolve(false),
    nowSeen: async () => {},
    imageIn: async () => await Promise.reject(new Error("there is no other slot")),
  };
  const server = await serveLocally(join(folder, "petrifyd.sock"), {
    "POST /config/apply": async (_signal, body) => {
      const request = applyRequest(body);
      asked.push(request.mode);
      return await carryOut({ do: "apply", documents: [], ...request }, ports);
    },
    "POST /config/confirm": async () => {
      asked.push("confirm");
      return await carryOut({ do: "confirm" }, ports);
    },
  });
  return { done: node.done, asked, state: node.state, [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose]() };
}
