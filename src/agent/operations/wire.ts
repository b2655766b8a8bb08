/** Requests as they come over the machine's own socket. By hand: a schema library would cost every boot the time that it takes to load. */
import { AppError } from "../../core/error.ts";
import type { ImageSource } from "../../layout/operation.ts";
import { isLockName, LONGEST_LOCK } from "../../layout/restart-lock.ts";
import { BOOT_TARGETS, type BootTarget } from "../../layout/slots.ts";
import { AFTER_RESET, RESET_KEEPS } from "../../layout/reset-order.ts";
import { formatReference, parseReference, type Reference } from "../../registry/reference.ts";
import { TOLD, type Told } from "../../release/may-upgrade.ts";
import type { ConfigDocument } from "../config/generation-files.ts";
import { SERVICE_ACTIONS } from "../../host/init-system.ts";
import type { FoundLocks } from "../../host/restart-locks.ts";
import type { ServiceRequest } from "../change-service.ts";
import { APPLY_MODES, type ApplyMode } from "../config/work.ts";
import type { EnrolRequest, GiveBackRequest } from "../enrolment.ts";
import type { SignedStatement } from "../ownership.ts";
import type { ResetRequest } from "../reset-loop.ts";
import type { PauseRequest } from "../updates/updates.ts";
import type { CheckRequest, UpgradeRequest } from "./service.ts";

/** @throws AppError `REQUEST_INVALID`, as the other ones do */
export function upgradeRequest(body: unknown): UpgradeRequest {
  const fields = fieldsOf(body, ["source", "recovery", "restart", "force", "told"]);
  return {
    source: sourceOf(fields["source"]),
    recovery: flag(fields, "recovery", false),
    restart: flag(fields, "restart", true),
    force: flag(fields, "force", false),
    told: toldOf(fields),
  };
}

export function checkRequest(body: unknown): CheckRequest {
  const fields = fieldsOf(body, ["source", "told"]);
  return { source: sourceOf(fields["source"]), told: toldOf(fields) };
}

function toldOf({ told = [] }: Readonly<Record<string, unknown>>): readonly Told[] {
  if (!Array.isArray(told) || !told.every((what) => TOLD.some((known) => known === what))) {
    throw invalid(`told: a list of ${TOLD.join(", ")}`);
  }
  return TOLD.filter((what) => told.includes(what));
}

export function pauseRequest(body: unknown): PauseRequest {
  const { seconds, reason } = fieldsOf(body, ["seconds", "reason"]);
  const isTime = seconds === undefined || (Number.isSafeInteger(seconds) && (seconds as number) > 0);
  if (!isTime) throw invalid("seconds: how long, a whole number");
  if (reason !== undefined && typeof reason !== "string") throw invalid("reason: text");
  return { ...(seconds === undefined ? {} : { seconds: seconds as number }), ...(reason === undefined ? {} : { reason }) };
}

export function lockRequest(body: unknown): FoundLocks["locks"][number] {
  const { name, seconds, reason } = fieldsOf(body, ["name", "seconds", "reason"]);
  const isTime = Number.isSafeInteger(seconds) && (seconds as number) > 0 && (seconds as number) <= LONGEST_LOCK;
  if (!isTime) throw invalid(`seconds: how long, 1 to ${LONGEST_LOCK}`);
  if (reason !== undefined && typeof reason !== "string") throw invalid("reason: text");
  return { name: lockName(name), left: seconds as number, ...(reason === undefined ? {} : { reason }) };
}
export const lockNameRequest = (body: unknown): string => lockName(fieldsOf(body, ["name"])["name"]);
function lockName(name: unknown): string {
  if (typeof name === "string" && isLockName(name)) return name;
  throw invalid("name: up to 64 letters, digits and _ . @ -, a letter or a digit first");
}

export const rollbackRequest = (body: unknown): { readonly restart: boolean } => ({
  restart: flag(fieldsOf(body, ["restart"]), "restart", true),
});

export function restartRequest(body: unknown): { readonly into: BootTarget | undefined } {
  const { into } = fieldsOf(body, ["into"]);
  const target = BOOT_TARGETS.find((name) => name === into);
  if (into !== undefined && target === undefined) throw invalid(`into: one of ${BOOT_TARGETS.join(", ")}`);
  return { into: target };
}

export function copyRequest(body: unknown): { readonly path: string } {
  const { path } = fieldsOf(body, ["path"]);
  if (typeof path === "string" && path.startsWith("/") && path.length <= 4096) return { path };
  throw invalid("path: an absolute one");
}

export function serviceRequest(body: unknown): ServiceRequest {
  const { name, action } = fieldsOf(body, ["name", "action"]);
  const known = SERVICE_ACTIONS.find((one) => one === action);
  if (!known) throw invalid(`action: one of ${SERVICE_ACTIONS.join(", ")}`);
  // Source: systemd.unit(5), which has the characters of a name; a dash at its start would be an option.
  if (typeof name === "string" && /^[\w@.:\\][\w@.:\\-]{0,254}$/.test(name)) return { name, action: known };
  throw invalid("name: that of a service");
}

export function resetRequest(body: unknown): ResetRequest {
  const fields = fieldsOf(body, ["keep", "erase", "after"]);
  const { keep = [], after = "reboot" } = fields;
  const then = AFTER_RESET.find((name) => name === after);
  if (!Array.isArray(keep) || !keep.every((what) => RESET_KEEPS.some((known) => known === what))) {
    throw invalid(`keep: a list of ${RESET_KEEPS.join(", ")}`);
  }
  if (!then) throw invalid(`after: one of ${AFTER_RESET.join(", ")}`);
  return { keep: RESET_KEEPS.filter((what) => keep.includes(what)), erase: flag(fields, "erase", false), after: then };
}

function sourceOf(value: unknown): ImageSource {
  const { is, path, url, reference } = fieldsOf(value, ["is", "path", "url", "reference"]);
  if (is === "file" && typeof path === "string" && path.startsWith("/")) return { is, path };
  if (is === "url" && typeof url === "string" && /^https?:$/.test(URL.parse(url)?.protocol ?? "")) return { is, url };
  if (is === "registry" && typeof reference === "string") return { is, reference: checkedReference(reference) };
  throw invalid("source: an absolute path, a URL of http or https, or a reference");
}

/** A folder is the agent's to open, and the agent is in none. */
function checkedReference(text: string): string {
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch (error) {
    throw invalid(`source: ${(error as Error).message}`);
  }
  const path = reference.kind === "layout" ? reference.folder : reference.kind === "archive" ? reference.file : undefined;
  if (path !== undefined && !path.startsWith("/")) throw invalid("source: an absolute path of a folder, or of an archive");
  return formatReference(reference);
}

export function applyRequest(body: unknown): { readonly documents?: readonly ConfigDocument[]; readonly mode: ApplyMode } {
  const fields = fieldsOf(body, ["documents", "mode"]);
  const { documents } = fields;
  if (documents === undefined) return { mode: modeOf(fields) };
  if (!Array.isArray(documents) || documents.length === 0) throw invalid("documents: a list of machine configs");
  return { documents: documents.map(documentOf), mode: modeOf(fields) };
}

export function configRollbackRequest(body: unknown): { readonly to?: number; readonly mode: ApplyMode } {
  const fields = fieldsOf(body, ["to", "mode"]);
  return { ...numbered(fields, "to"), mode: modeOf(fields) };
}

export function configDiffRequest(body: unknown): { readonly from?: number; readonly to?: number } {
  const fields = fieldsOf(body, ["from", "to"]);
  return { ...numbered(fields, "from"), ...numbered(fields, "to") };
}

export function configSourcesRequest(body: unknown): { readonly local: boolean } {
  const { local = false } = fieldsOf(body, ["local"]);
  if (typeof local === "boolean") return { local };
  throw invalid("local: true or false");
}

export function enrolRequest(body: unknown): EnrolRequest {
  const fields = fieldsOf(body, ["documents", "authorities", "certificate", "epoch", "recovery", "recoveryToken"]);
  const { documents, authorities, certificate, epoch } = fields;
  if (!Array.isArray(documents)) throw invalid("documents: a list of machine configs");
  if (typeof authorities !== "string" || typeof certificate !== "string") throw invalid("authorities, certificate: PEM");
  if (!Number.isSafeInteger(epoch) || (epoch as number) < 0) throw invalid("epoch: a number");
  const [recovery, recoveryToken] = [textOrNothing(fields, "recovery"), textOrNothing(fields, "recoveryToken")];
  return {
    ...{ documents: documents.map(documentOf), authorities, certificate, epoch: epoch as number },
    ...(recovery === undefined ? {} : { recovery }),
    ...(recoveryToken === undefined ? {} : { recoveryToken }),
  };
}

export function giveBackRequest(body: unknown): GiveBackRequest {
  const fields = fieldsOf(body, ["recoveryToken", "authorities"]);
  const [recoveryToken, authorities] = [textOrNothing(fields, "recoveryToken"), textOrNothing(fields, "authorities")];
  if (recoveryToken === undefined) throw invalid("recoveryToken: text");
  return { recoveryToken, ...(authorities === undefined ? {} : { authorities }) };
}

/** Nothing for what is empty, either. */
function textOrNothing(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = fields[name] ?? "";
  if (typeof value !== "string") throw invalid(`${name}: text`);
  return value === "" ? undefined : value;
}

export function certificateRequest(body: unknown): string {
  const { certificate } = fieldsOf(body, ["certificate"]);
  if (typeof certificate !== "string") throw invalid("certificate: PEM");
  return certificate;
}

export function trustRequest(body: unknown): SignedStatement {
  const { statement, signature } = fieldsOf(body, ["statement", "signature"]);
  if (typeof statement !== "string" || typeof signature !== "string") throw invalid("statement and signature: text");
  return { statement, signature };
}

function documentOf(value: unknown): ConfigDocument {
  const { origin, text } = fieldsOf(value, ["origin", "text"]);
  if (typeof origin === "string" && typeof text === "string") return { origin, text };
  throw invalid("documents: each with its origin and its text");
}

function modeOf({ mode = "auto" }: Readonly<Record<string, unknown>>): ApplyMode {
  const found = APPLY_MODES.find((name) => name === mode);
  if (found) return found;
  throw invalid(`mode: one of ${APPLY_MODES.join(", ")}`);
}

/** The number of a generation, where it is said. */
function numbered<Name extends string>(
  fields: Readonly<Record<string, unknown>>,
  name: Name,
): { readonly [key in Name]?: number } {
  const value = fields[name];
  if (value === undefined) return {};
  if (Number.isSafeInteger(value) && (value as number) > 0) return { [name]: value } as { readonly [key in Name]?: number };
  throw invalid(`${name}: the number of a machine config`);
}

function fieldsOf(value: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("an object is expected");
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw invalid(`there is no ${unknown}`);
  return value as Record<string, unknown>;
}

function flag(fields: Readonly<Record<string, unknown>>, name: string, otherwise: boolean): boolean {
  const value = fields[name] ?? otherwise;
  if (typeof value !== "boolean") throw invalid(`${name}: true or false`);
  return value;
}

const invalid = (why: string): AppError => new AppError("REQUEST_INVALID", `the request is not understood: ${why}`);
