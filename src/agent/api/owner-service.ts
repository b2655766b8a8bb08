/** What an owner changes about how a machine and its callers know one another, done by its agent. */
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { OwnerService } from "../../protocol/petrify/v1/enrolment_pb.ts";
import { REPLACE_CERTIFICATE, REPLACE_TRUST, type Changed } from "../ownership.ts";
import { firstOf, type AskProgram } from "./ask-program.ts";
import { CALLER } from "./authorize.ts";

/** @param outdated what the program was started with is another now, and the answer is on its way */
export function registerOwnerService(router: ConnectRouter, ask: AskProgram, outdated: () => void): void {
  const change = async (call: string, body: object, { signal, values }: HandlerContext): Promise<Changed> => {
    const [method, url] = call.split(" ") as ["POST", string];
    const { changed } = (await firstOf(ask(method, url, signal, body, values.get(CALLER)))) as Changed;
    if (changed) outdated();
    return { changed };
  };
  router.service(OwnerService, {
    replaceCertificate: async ({ certificate }, context) => await change(REPLACE_CERTIFICATE, { certificate }, context),
    replaceTrust: async ({ statement, signature }, context) =>
      await change(REPLACE_TRUST, { statement, signature: Buffer.from(signature).toString("base64") }, context),
  });
}
