/** How a machine keeps itself current, asked of its agent. */
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { UpdatesService } from "../../protocol/petrify/v1/updates_pb.ts";
import type { UpdatePlan } from "../updates/plan.ts";
import type { UpdatesStatus } from "../updates/updates.ts";
import { firstOf, type AskProgram } from "./ask-program.ts";
import { CALLER } from "./authorize.ts";
import { lockMessage, planMessage, updatesMessage, wholeSeconds } from "./updates-messages.ts";

type Locks = Pick<UpdatesStatus, "locks">;

export function registerUpdatesService(router: ConnectRouter, ask: AskProgram): void {
  const one = async <Value>(call: string, { signal, values }: HandlerContext, body?: object): Promise<Value> => {
    const [method, url] = call.split(" ") as ["GET" | "POST", string];
    return (await firstOf(ask(method, url, signal, body, values.get(CALLER)))) as Value;
  };
  const status = async (call: string, context: HandlerContext, body?: object) => ({
    status: updatesMessage(await one<UpdatesStatus>(call, context, body)),
  });
  router.service(UpdatesService, {
    getUpdates: async (_request, context) => await status("GET /updates", context),
    planUpdates: async (_request, context) => planMessage(await one<UpdatePlan>("GET /updates/plan", context)),
    checkUpdates: async (_request, context) => await status("POST /updates/check", context, {}),
    applyUpdate: async (_request, context) => await status("POST /updates/apply", context, {}),
    pauseUpdates: async ({ duration, reason }, context) => {
      const seconds = wholeSeconds(duration);
      const request = { ...(seconds !== undefined && { seconds }), ...(reason !== "" && { reason }) };
      return await status("POST /updates/pause", context, request);
    },
    resumeUpdates: async (_request, context) => await status("POST /updates/resume", context, {}),
    setLock: async ({ name, ttl, reason }, context) => {
      const request = { name, seconds: wholeSeconds(ttl), ...(reason !== "" && { reason }) };
      return { locks: (await one<Locks>("POST /lock", context, request)).locks.map(lockMessage) };
    },
    releaseLock: async ({ name }, context) => {
      const { changed, locks } = await one<Locks & { readonly changed: boolean }>("POST /lock/release", context, { name });
      return { changed, locks: locks.map(lockMessage) };
    },
  });
}
