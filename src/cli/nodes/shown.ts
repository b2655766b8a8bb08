/** What machines have answered, for programs and for people, to whose terminals nothing is sent as it came. Imported by commands that have asked, and only then. */
import { toJson, type JsonValue } from "@bufbuild/protobuf";
import {
  BootRole,
  BootTarget,
  HealthState,
  HistoryResponseSchema,
  SlotState,
  StatusResponseSchema,
  VersionResponseSchema,
  type HistoryResponse,
  type Image,
  type StatusResponse,
  type VersionResponse,
} from "../../protocol/petrify/v1/node_pb.ts";
import { shortLine } from "../../layout/short-line.ts";
import { timeCell } from "../look/cells.ts";
import { tableText } from "../table.ts";
import type { Answered } from "./each-node.ts";

export const versionJson = (value: VersionResponse): JsonValue => toJson(VersionResponseSchema, value);
export const historyJson = (value: HistoryResponse): JsonValue => toJson(HistoryResponseSchema, value);
export const statusJson = (value: StatusResponse): JsonValue => toJson(StatusResponseSchema, value);

export const versionTable = (rows: readonly Answered<VersionResponse>[]): string =>
  tableText(
    ["NODE", "HOSTNAME", "IMAGE", "PETRIFY"],
    rows.map(({ node, value: { machine, image, version } }) =>
      [node, machine?.hostname || "-", imageText(image), version].map(shortLine),
    ),
  );

/** A row of each machine; below it what somebody should look at. */
export function statusTable(rows: readonly Answered<StatusResponse>[]): string {
  const table = tableText(
    ["NODE", "HOSTNAME", "IMAGE", "RUNNING", "HEALTH", "ALARMS"],
    rows.map(({ node, value }) => [
      ...[node, value.machine?.hostname || "-", imageText(value.image), runningText(value)].map(shortLine),
      ...[healthWord(value.health?.state), String(value.alarms.length)],
    ]),
  );
  const notes = rows.flatMap(({ node, value: { health, alarms, operation } }) => [
    ...(operation ? [`${node}: ${operation.text}${operation.percent === undefined ? "" : `, ${operation.percent} %`}`] : []),
    ...(health?.checks ?? []).filter(({ ok }) => !ok).map(({ name, reason }) => `${node}: ${name}: ${reason || "failed"}`),
    ...alarms.map(({ message }) => `${node}: ${message}`),
  ]);
  return [table, ...notes.map(shortLine)].join("\n");
}

/** A row of each check; of a machine without any, one. */
export const healthTable = (rows: readonly Answered<StatusResponse>[]): string =>
  tableText(
    ["NODE", "HEALTH", "CHECK", "RESULT"],
    rows.flatMap(({ node, value: { health } }) => {
      const is = word(HEALTH, health?.state ?? HealthState.UNSPECIFIED);
      const checks = (health?.checks ?? []).map(({ name, ok, reason }) => [name, ok ? "passed" : reason || "failed"]);
      return (checks.length > 0 ? checks : [["-", "-"]]).map((cells) => [node, is, ...cells].map(shortLine));
    }),
  );

/** A row of each operation, the newest first. */
export const historyTable = (rows: readonly Answered<HistoryResponse>[]): string =>
  tableText(
    ["NODE", "BEGAN", "WHAT", "IMAGE", "TO", "OUTCOME", "WHY"],
    rows.flatMap(({ node, value: { operations } }) =>
      operations.map(({ started, kind, image, target, outcome, reason, cause }) =>
        [node, timeCell(started), kind, imageText(image), target, outcome, reason || cause].map(shortLine),
      ),
    ),
  );

export const imageText = (image: Image | undefined): string => (image ? `${image.name} ${image.version}` : "-");

export function runningText({ running, role, state }: StatusResponse): string {
  const words = [word(ROLES, role), word(STATES, state)].filter((word) => word !== "");
  const target = word(TARGETS, running);
  return words.length > 0 ? `${target} (${words.join(", ")})` : target;
}

export const targetWord = (target: BootTarget): string => word(TARGETS, target);
export const roleWord = (role: BootRole): string => word(ROLES, role);
export const stateWord = (state: SlotState): string => word(STATES, state);
export const healthWord = (state: HealthState = HealthState.UNSPECIFIED): string => word(HEALTH, state);

/** A machine may be newer than this program. */
const word = (words: Readonly<Record<number, string>>, value: number): string => words[value] ?? "?";

const TARGETS: Readonly<Record<BootTarget, string>> = {
  [BootTarget.UNSPECIFIED]: "-",
  [BootTarget.A]: "slot a",
  [BootTarget.B]: "slot b",
  [BootTarget.RECOVERY]: "recovery",
  [BootTarget.MEMORY]: "memory",
};
/** Recovery and memory have no role besides. */
const ROLES: Readonly<Record<BootRole, string>> = {
  [BootRole.UNSPECIFIED]: "",
  [BootRole.ACTIVE]: "active",
  [BootRole.PASSIVE]: "passive",
  [BootRole.RECOVERY]: "",
  [BootRole.MEMORY]: "",
};
const STATES: Readonly<Record<SlotState, string>> = {
  [SlotState.UNSPECIFIED]: "",
  [SlotState.TRIAL]: "trial",
  [SlotState.PROVEN]: "proven",
  [SlotState.BAD]: "bad",
  [SlotState.EMPTY]: "empty",
};
const HEALTH: Readonly<Record<HealthState, string>> = {
  [HealthState.UNSPECIFIED]: "-",
  [HealthState.STARTING]: "starting",
  [HealthState.HEALTHY]: "healthy",
  [HealthState.UNHEALTHY]: "unhealthy",
};
