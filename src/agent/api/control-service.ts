/** What the contract tells a machine to do, done by its agent. */
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import type { ServiceAction } from "../../host/init-system.ts";
import type { FinishedOperation } from "../../layout/operation.ts";
import { ControlService } from "../../protocol/petrify/v1/control_pb.ts";
import type { AuditPiece } from "../audit-log.ts";
import type { ServiceState } from "../change-service.ts";
import type { ConfigResult } from "../config/apply-config.ts";
import type { ConfigAnswers, ConfigDifference } from "../config/work.ts";
import type { OperationNews, OperationStatus } from "../operations/driver.ts";
import type { UpgradePlan } from "../operations/service.ts";
import type { ResetPlan } from "../reset.ts";
import type { ResetNews } from "../reset-loop.ts";
import { firstOf, type AskProgram } from "./ask-program.ts";
import { CALLER } from "./authorize.ts";
import {
  bootOf,
  configPlanOf,
  documentOf,
  endOf,
  generationOf,
  modeOf,
  newsOf,
  planOfReset,
  planOfUpgrade,
  resetRequest,
  resultOf,
  upgradeRequest,
} from "./control-messages.ts";
import { operationOf } from "./messages.ts";

export function registerControlService(router: ConnectRouter, ask: AskProgram): void {
  const asking = (call: string, { signal, values }: HandlerContext, body?: object): AsyncIterable<unknown> =>
    ask(...(call.split(" ") as ["GET" | "POST", string]), signal, body, values.get(CALLER));
  const one = async <Value>(call: string, context: HandlerContext, body?: object): Promise<Value> =>
    (await firstOf(asking(call, context, body))) as Value;
  const service = async (action: ServiceAction, name: string, context: HandlerContext) => ({
    service: await one<ServiceState>("POST /service", context, { name, action }),
  });
  async function* news(call: string, context: HandlerContext, body: object) {
    for await (const value of asking(call, context, body)) yield { news: newsOf(value as OperationNews) };
  }

  router.service(ControlService, {
    startService: async ({ name }, context) => await service("start", name, context),
    stopService: async ({ name }, context) => await service("stop", name, context),
    restartService: async ({ name }, context) => await service("restart", name, context),
    planUpgrade: async ({ options }, context) =>
      planOfUpgrade(await one<UpgradePlan>("POST /upgrade/plan", context, upgradeRequest(options))),
    upgrade: ({ options }, context) => news("POST /upgrade", context, upgradeRequest(options)),
    rollback: ({ stage }, context) => news("POST /rollback", context, { restart: !stage }),
    getOperation: async ({ id }, context) => {
      const { now, operations } = await one<History>("GET /history", context);
      if (now?.id === id) return { state: { case: "now", value: operationOf(now) } };
      const ended = operations.find((operation) => operation.id === id);
      return ended ? { state: { case: "ended", value: endOf(ended) } } : {};
    },
    cancelOperation: async (_request, context) => ({
      ended: endOf(await one<FinishedOperation>("POST /upgrade/cancel", context)),
    }),
    reboot: async ({ into }, context) => {
      const target = bootOf(into);
      await one("POST /restart", context, target ? { into: target } : {});
      return {};
    },
    shutdown: async (_request, context) => {
      await one("POST /shutdown", context);
      return {};
    },
    planReset: async ({ options }, context) =>
      planOfReset(await one<ResetPlan>("POST /reset/plan", context, resetRequest(options))),
    async *reset({ options }, context) {
      for await (const value of asking("POST /reset", context, resetRequest(options))) {
        const found = value as ResetNews;
        yield "now" in found
          ? { news: { case: "now" as const, value: found.now.text } }
          : { news: { case: "restarting" as const, value: found.restarting } };
      }
    },
    applyConfig: async ({ documents, mode }, context) => {
      const request = { ...(documents.length > 0 ? { documents: documents.map(documentOf) } : {}), mode: modeOf(mode) };
      return { result: resultOf(await one<ConfigResult>("POST /config/apply", context, request)) };
    },
    confirmConfig: async (_request, context) => {
      const { generation } = await one<ConfigAnswers["confirm"]>("POST /config/confirm", context);
      return { generation: BigInt(generation) };
    },
    rollbackConfig: async ({ to, mode }, context) => {
      const request = { ...(to === undefined ? {} : { to: Number(to) }), mode: modeOf(mode) };
      return { result: resultOf(await one<ConfigResult>("POST /config/rollback", context, request)) };
    },
    listConfigs: async (_request, context) => {
      const { generations } = await one<ConfigAnswers["history"]>("GET /config/history", context);
      return { generations: generations.map(generationOf) };
    },
    diffConfigs: async ({ from, to }, context) => {
      const request = { ...(from === undefined ? {} : { from: Number(from) }), ...(to === undefined ? {} : { to: Number(to) }) };
      const found = await one<ConfigDifference>("POST /config/diff", context, request);
      return { from: BigInt(found.from), to: BigInt(found.to), plan: configPlanOf(found) };
    },
    async *readAudit(_request, context) {
      for await (const value of asking("GET /audit", context)) {
        const { file, size, offset, data } = value as AuditPiece;
        yield { file, size: BigInt(size), offset: BigInt(offset), data: Buffer.from(data, "base64") };
      }
    },
  });
}

interface History {
  readonly now?: OperationStatus;
  readonly operations: readonly FinishedOperation[];
}
