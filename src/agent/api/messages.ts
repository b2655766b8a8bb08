/** The agent's own words as the contract has them. Pure. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { BootTarget as Target, SlotState as State } from "../../layout/slots.ts";
import { SLOTS } from "../../layout/slots.ts";
import type { InstallStatus } from "../../layout/install.ts";
import { InstallationState, type InstallationSchema } from "../../protocol/petrify/v1/enrolment_pb.ts";
import {
  BootRole,
  BootTarget,
  HealthState,
  SlotState,
  type ConfigSchema,
  type FollowOperationResponseSchema,
  type ImageSchema,
  type MachineSchema,
  type OperationSchema,
  type PastOperationSchema,
  type SlotSchema,
  type StatusResponseSchema,
} from "../../protocol/petrify/v1/node_pb.ts";
import type { OperationNews, OperationStatus } from "../operations/driver.ts";
import type { HistoryEntry } from "../operations/service.ts";
import type { AgentStatus, ConfigStatus, HealthStatus, SlotStatus } from "../status.ts";

const TARGETS: Readonly<Record<Target | "ram", BootTarget>> = {
  a: BootTarget.A,
  b: BootTarget.B,
  recovery: BootTarget.RECOVERY,
  ram: BootTarget.MEMORY,
};
const ROLES: Readonly<Record<AgentStatus["role"], BootRole>> = {
  active: BootRole.ACTIVE,
  passive: BootRole.PASSIVE,
  recovery: BootRole.RECOVERY,
  memory: BootRole.MEMORY,
  unknown: BootRole.UNSPECIFIED,
};
const STATES: Readonly<Record<State, SlotState>> = {
  trial: SlotState.TRIAL,
  proven: SlotState.PROVEN,
  bad: SlotState.BAD,
  empty: SlotState.EMPTY,
};
const HEALTH: Readonly<Record<HealthStatus["is"], HealthState>> = {
  starting: HealthState.STARTING,
  healthy: HealthState.HEALTHY,
  unhealthy: HealthState.UNHEALTHY,
};

export const targetOf = (target: Target): BootTarget => TARGETS[target];
const time = (seconds: number): Timestamp => timestampFromMs(seconds * 1000);
const stateOf = (state: AgentStatus["state"]): SlotState =>
  state === "recovery" || state === "memory" || state === "unknown" ? SlotState.UNSPECIFIED : STATES[state];

export const machineOf = ({ machine, fingerprint }: AgentStatus): MessageInitShape<typeof MachineSchema> => ({
  ...machine,
  fingerprint: fingerprint ?? "",
});

export const imageOf = ({ image }: AgentStatus): MessageInitShape<typeof ImageSchema> => ({
  name: image.name,
  version: image.version,
  digest: image.digest ?? "",
});

const INSTALLATIONS: Readonly<Record<InstallStatus["is"], InstallationState>> = {
  running: InstallationState.RUNNING,
  done: InstallationState.DONE,
  failed: InstallationState.FAILED,
};

export const installationOf = ({
  is,
  disk,
  after,
  text,
  percent,
}: InstallStatus): MessageInitShape<typeof InstallationSchema> => ({
  ...{ state: INSTALLATIONS[is], disk, text, restarts: after === "reboot" },
  ...(percent === undefined ? {} : { percent }),
});

export function statusMessage(status: AgentStatus): MessageInitShape<typeof StatusResponseSchema> {
  const { at, running, role, state, slots, next, health, alarms, boot, operation, config } = status;
  return {
    at: time(at),
    machine: machineOf(status),
    image: imageOf(status),
    running: TARGETS[running],
    role: ROLES[role],
    state: stateOf(state),
    slots: SLOTS.map((name) => slotOf(name, slots[name])),
    next: next ? TARGETS[next] : BootTarget.UNSPECIFIED,
    health: {
      state: HEALTH[health.is],
      checks: health.checks.map(({ name, ok, reason }) => ({ name, ok, reason: reason ?? "" })),
    },
    alarms: alarms.map(({ code, message }) => ({ code, message })),
    boot: { id: boot.id, since: time(boot.since), uptime: durationFromMs(boot.uptime * 1000) },
    ...(operation ? { operation: operationOf(operation) } : {}),
    ...(config ? { config: configOf(config) } : {}),
  };
}

function slotOf(
  name: keyof AgentStatus["slots"],
  { role, state, tries, digest, scrub }: SlotStatus,
): MessageInitShape<typeof SlotSchema> {
  return {
    ...{ slot: TARGETS[name], role: ROLES[role], state: stateOf(state), digest: digest ?? "" },
    ...(tries === undefined ? {} : { tries }),
    ...(scrub ? { verified: time(scrub.at), damage: scrub.damage ?? "" } : {}),
  };
}

const configOf = ({ generation, trial, notes }: ConfigStatus): MessageInitShape<typeof ConfigSchema> => ({
  ...(generation === undefined ? {} : { generation: BigInt(generation) }),
  ...{ trial, notes: [...notes] },
});

export const operationOf = ({ id, text, percent }: OperationStatus): MessageInitShape<typeof OperationSchema> => ({
  ...{ id, text },
  ...(percent === undefined ? {} : { percent }),
});

/** Of the log of a boot. */
const LOG_CHARACTERS = 8192;

export function pastOperation(entry: HistoryEntry): MessageInitShape<typeof PastOperationSchema> {
  const { id, kind, target, image, from, cause, startedAt, endedAt, outcome, reason, code, hint, log } = entry;
  return {
    ...{ id, kind, target, cause, outcome, reason: reason ?? "", code: code ?? "", hint: hint ?? "" },
    ...{ from: TARGETS[from.slot], fromVersion: from.version, started: time(startedAt), ended: time(endedAt) },
    ...(image.name === undefined
      ? {}
      : { image: { name: image.name, version: image.version ?? "", digest: image.digest ?? "" } }),
    log: log?.text.slice(-LOG_CHARACTERS) ?? "",
  };
}

export function newsMessage(news: OperationNews): MessageInitShape<typeof FollowOperationResponseSchema> {
  if ("now" in news) return { news: { case: "now", value: operationOf(news.now) } };
  if ("restarting" in news) return { news: { case: "restarting", value: news.restarting } };
  const { id, outcome, reason = "" } = news.ended;
  return { news: { case: "ended", value: { id, outcome, reason } } };
}
