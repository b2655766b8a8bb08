/** What changes a machine: the contract's words as the agent has them, and back. Pure. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { TextPlan } from "../../config/machine/compile/plan-text.ts";
import { AppError } from "../../core/error.ts";
import type { ResetKeep as Keep } from "../../layout/reset-order.ts";
import type { BootTarget as Target } from "../../layout/slots.ts";
import type { ImageSource } from "../../layout/operation.ts";
import { isWebFolder, parseReference } from "../../registry/reference.ts";
import type { Told } from "../../release/may-upgrade.ts";
import {
  ApplyMode,
  ResetKeep,
  type ConfigDocument,
  type ConfigGenerationSchema,
  type ConfigPlanSchema,
  type ConfigResultSchema,
  type OperationNewsSchema,
  type PlanResetResponseSchema,
  type PlanUpgradeResponseSchema,
  type ResetOptions,
  type UpgradeOptions,
} from "../../protocol/petrify/v1/control_pb.ts";
import type { OperationEndSchema } from "../../protocol/petrify/v1/node_pb.ts";
import type { FinishedOperation } from "../../layout/operation.ts";
import { BootTarget } from "../../protocol/petrify/v1/node_pb.ts";
import type { ConfigResult } from "../config/apply-config.ts";
import type { ApplyMode as Mode, GenerationEntry } from "../config/work.ts";
import type { OperationNews } from "../operations/driver.ts";
import type { UpgradePlan, UpgradeRequest } from "../operations/service.ts";
import type { ResetPlan } from "../reset.ts";
import type { ResetRequest } from "../reset-loop.ts";
import { operationOf, targetOf } from "./messages.ts";

const invalid = (why: string, hint: string): AppError => new AppError("REQUEST_INVALID", why, { hint });

/** @throws AppError `REQUEST_INVALID` */
export function upgradeRequest(options: UpgradeOptions | undefined): UpgradeRequest {
  const { image = "", recovery = false, stage = false, force = false, older, expired, otherImage } = options ?? {};
  const told: readonly Told[] = [
    ...(older ? (["older"] as const) : []),
    ...(expired ? (["expired"] as const) : []),
    ...(otherImage ? (["other-image"] as const) : []),
  ];
  return { source: sourceOf(image), recovery, restart: !stage, force, told };
}

function sourceOf(image: string): ImageSource {
  if (/^https?:\/\//.test(image) && !isWebFolder(image)) return { is: "url", url: image };
  if (image.startsWith("/")) return { is: "file", path: image };
  try {
    parseReference(image);
    return { is: "registry", reference: image };
  } catch (error) {
    throw invalid(
      image === "" ? "no image is named" : (error as Error).message,
      "Name a release (REGISTRY/REPOSITORY:TAG), a URL of an image, or the path of one on the machine.",
    );
  }
}

export const planOfUpgrade = ({
  image: { image, trust },
  target,
  capacity,
  bytes,
  delivery,
  steps,
}: UpgradePlan): MessageInitShape<typeof PlanUpgradeResponseSchema> => ({
  image: { name: image.name, version: image.version, digest: image.digest },
  ...{ trust, target, capacity: BigInt(capacity), bytes: BigInt(bytes), delivery: delivery?.way ?? "", steps: [...steps] },
});

export const endOf = ({ id, outcome, reason = "" }: FinishedOperation): MessageInitShape<typeof OperationEndSchema> => ({
  ...{ id, outcome, reason },
});

export function newsOf(news: OperationNews): MessageInitShape<typeof OperationNewsSchema> {
  if ("now" in news) return { news: { case: "now", value: operationOf(news.now) } };
  if ("restarting" in news) return { news: { case: "restarting", value: news.restarting } };
  return { news: { case: "ended", value: endOf(news.ended) } };
}

const INTO: Readonly<Partial<Record<BootTarget, Target>>> = {
  [BootTarget.A]: "a",
  [BootTarget.B]: "b",
  [BootTarget.RECOVERY]: "recovery",
};
/** @returns nothing for whatever would be booted @throws AppError `REQUEST_INVALID` */
export function bootOf(into: BootTarget): Target | undefined {
  if (into === BootTarget.UNSPECIFIED || INTO[into]) return INTO[into];
  throw invalid(`a machine cannot be restarted into ${into}`, "Name slot a, slot b or recovery.");
}

const KEEPS: Readonly<Partial<Record<ResetKeep, Keep>>> = {
  [ResetKeep.DATA]: "data",
  [ResetKeep.CONFIG]: "config",
  [ResetKeep.IDENTITY]: "identity",
};
/** @throws AppError `REQUEST_INVALID`: nothing is wiped that somebody meant to keep */
export function resetRequest(options: ResetOptions | undefined): ResetRequest {
  const { keep = [], erase = false, powerOff = false } = options ?? {};
  const kept = keep.map((what) => {
    const known = KEEPS[what];
    if (known) return known;
    throw invalid(`nothing is known of ${what}, which is to be kept`, "Keep data, config or identity.");
  });
  return { keep: kept, erase, after: powerOff ? "poweroff" : "reboot" };
}

export const planOfReset = ({
  machine,
  image,
  wipes,
  keeps,
  steps,
  bytes,
  seconds,
}: ResetPlan): MessageInitShape<typeof PlanResetResponseSchema> => ({
  machine: { ...machine, fingerprint: "" },
  image: { name: image.name, version: image.version, digest: image.digest },
  wipes: wipes.map(({ what, text }) => `${what}: ${text}`),
  keeps: keeps.map(({ what, text }) => `${what}: ${text}`),
  ...{ steps: [...steps], bytes: BigInt(bytes), seconds: BigInt(seconds) },
});

const MODES: Readonly<Record<Mode, ApplyMode>> = {
  auto: ApplyMode.AUTO,
  staged: ApplyMode.STAGED,
  try: ApplyMode.TRY,
  "no-reboot": ApplyMode.NO_REBOOT,
  "dry-run": ApplyMode.DRY_RUN,
};
/** @throws AppError `REQUEST_INVALID`: one that is not known may have been meant to change nothing */
export function modeOf(mode: ApplyMode): Mode {
  if (mode === ApplyMode.UNSPECIFIED) return "auto";
  const found = (Object.keys(MODES) as Mode[]).find((name) => MODES[name] === mode);
  if (found) return found;
  throw invalid(`nothing is known of mode ${mode}`, "The machine's petrify may be older than the caller's.");
}

export const documentOf = ({ origin, text }: ConfigDocument): { readonly origin: string; readonly text: string } => ({
  ...{ origin: origin || "document", text },
});

export const resultOf = ({
  changed,
  mode,
  generation,
  plan,
  problems,
  trial,
}: ConfigResult): MessageInitShape<typeof ConfigResultSchema> => ({
  ...{ changed, mode: MODES[mode], plan: configPlanOf(plan), problems: [...problems] },
  ...(generation === undefined ? {} : { generation: BigInt(generation) }),
  ...(trial?.until === undefined ? {} : { trialUntil: timestampFromMs(trial.until * 1000) }),
});

export const configPlanOf = ({ changes, actions, reboot }: TextPlan): MessageInitShape<typeof ConfigPlanSchema> => ({
  changes: changes.map(({ kind, how, name }) => ({ kind, how, name })),
  actions: actions.map(({ id, says, after }) => ({ id, says, after: [...after] })),
  reboot: [...reboot],
});

export const generationOf = ({
  generation,
  readable,
  at,
  image,
  documents = [],
  problems = [],
  running,
  slots,
  trial,
}: GenerationEntry): MessageInitShape<typeof ConfigGenerationSchema> => ({
  ...{ generation: BigInt(generation), readable, running, trial: trial !== undefined },
  ...(at === undefined ? {} : { at: timestampFromMs(at * 1000) }),
  ...(image ? { image: { ...image, digest: "" } } : {}),
  ...{ documents: [...documents], problems: [...problems], slots: slots.map(targetOf) },
});
