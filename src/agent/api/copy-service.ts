/** Files that are copied out of the machine: each call is in its audit log before anything is told. */
import type { ConnectRouter } from "@connectrpc/connect";
import { CopyService } from "../../protocol/petrify/v1/copy_pb.ts";
import { firstOf, type AskProgram } from "./ask-program.ts";
import { CALLER } from "./authorize.ts";
import { lookedUp } from "./looked-up.ts";

/** @param ask the agent @param look petrify-look */
export function registerCopyService(router: ConnectRouter, ask: AskProgram, look: AskProgram): void {
  const copied = lookedUp(CopyService.method.copy, look);
  router.service(CopyService, {
    async *copy(request, context) {
      await firstOf(ask("POST", "/copy", context.signal, { path: request.path }, context.values.get(CALLER)));
      yield* copied(request, context);
    },
  });
}
