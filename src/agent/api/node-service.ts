/** What the contract asks of a machine, answered by its agent. */
import type { ConnectRouter } from "@connectrpc/connect";
import { NodeService } from "../../protocol/petrify/v1/node_pb.ts";
import type { OperationNews } from "../operations/driver.ts";
import type { AgentStatus } from "../status.ts";
import type { AskProgram } from "./ask-program.ts";
import { imageOf, machineOf, newsMessage, statusMessage } from "./messages.ts";

/** What the handlers need of the machine. */
export interface NodeAnswers {
  /** Of petrify. */
  readonly version: string;
  readonly status: (signal: AbortSignal) => Promise<AgentStatus>;
  readonly operation: (signal: AbortSignal) => AsyncIterable<OperationNews>;
  /** petrify-look. */
  readonly look: AskProgram;
}

export function registerNodeService(router: ConnectRouter, { version, status, operation }: Omit<NodeAnswers, "look">): void {
  router.service(NodeService, {
    version: async (_request, { signal }) => {
      const found = await status(signal);
      return { version, machine: machineOf(found), image: imageOf(found) };
    },
    status: async (_request, { signal }) => statusMessage(await status(signal)),
    async *followOperation(_request, { signal }) {
      for await (const news of operation(signal)) yield newsMessage(news);
    },
  });
}
