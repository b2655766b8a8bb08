/** What the contract asks of a machine, answered by its agent. */
import type { ConnectRouter } from "@connectrpc/connect";
import { NodeService } from "../../protocol/petrify/v1/node_pb.ts";
import type { OperationNews } from "../operations/driver.ts";
import type { HistoryEntry } from "../operations/service.ts";
import type { AgentStatus } from "../status.ts";
import { firstOf, type AskProgram } from "./ask-program.ts";
import { imageOf, machineOf, newsMessage, pastOperation, statusMessage } from "./messages.ts";

/** What the handlers need of the machine. */
export interface NodeAnswers {
  /** Of petrify. */
  readonly version: string;
  readonly status: (signal: AbortSignal) => Promise<AgentStatus>;
  readonly operation: (signal: AbortSignal) => AsyncIterable<OperationNews>;
  /** petrify-look. */
  readonly look: AskProgram;
}

/** @param ask the agent */
export function registerNodeService(
  router: ConnectRouter,
  { version, status, operation }: Omit<NodeAnswers, "look">,
  ask: AskProgram,
): void {
  router.service(NodeService, {
    version: async (_request, { signal }) => {
      const found = await status(signal);
      return { version, machine: machineOf(found), image: imageOf(found) };
    },
    status: async (_request, { signal }) => statusMessage(await status(signal)),
    history: async (_request, { signal }) => {
      const { operations } = (await firstOf(ask("GET", "/history", signal))) as { readonly operations: readonly HistoryEntry[] };
      return { operations: operations.map(pastOperation) };
    },
    async *followOperation(_request, { signal }) {
      for await (const news of operation(signal)) yield newsMessage(news);
    },
  });
}
