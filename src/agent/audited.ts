/** Calls that change a machine, or show what is said in confidence, in its audit log: before each begins, and when it ends. docs/formats/audit.md */
import { hex } from "../core/digest.ts";
import { AppError } from "../core/error.ts";
import type { LocalHandler, LocalRoutes } from "../host/unix-http.ts";
import type { AuditCaller, AuditFields } from "../layout/audit-log.ts";
import { INSTALL_CALLS } from "../layout/install.ts";
import { shortLine } from "../layout/short-line.ts";
import { sha256 } from "../host/sha256.ts";
import { CAPTURE, DEBUG } from "./logged-calls.ts";
import { ENROL, GIVE_BACK, JOIN } from "./enrolment.ts";
import type { AuditLog } from "./audit-log.ts";
import { RENEW, REPLACE_CERTIFICATE, REPLACE_TRUST } from "./ownership.ts";

type Fields = Readonly<Record<string, unknown>>;
/** What of a request is kept: nothing that is secret. Nothing for a request that changes nothing. */
type Kept = (request: Fields) => Fields | undefined;

const only =
  (...names: readonly string[]): Kept =>
  (request) =>
    Object.fromEntries(names.filter((name) => request[name] !== undefined).map((name) => [name, request[name]]));
const unlessDryRun =
  (kept: Kept): Kept =>
  (request) =>
    request["mode"] === "dry-run" ? undefined : kept(request);

/** By the agent's call. Every one that changes something has a row here, or one below: a test sees to that. */
export const AUDITED: Readonly<Record<string, Kept>> = {
  "POST /upgrade": ({ source, ...rest }) => ({
    source: sourceText(source),
    ...only("recovery", "restart", "force", "told")(rest),
  }),
  "POST /upgrade/cancel": only(),
  "POST /updates/check": only(),
  "POST /updates/apply": only(),
  "POST /updates/pause": only("seconds", "reason"),
  "POST /updates/resume": only(),
  "POST /lock": only("name", "seconds", "reason"),
  "POST /lock/release": only("name"),
  "POST /rollback": only("restart"),
  "POST /restart": only("into"),
  "POST /shutdown": only(),
  "POST /service": only("name", "action"),
  "POST /copy": ({ path }) => ({ path: shortLine(String(path)) }),
  "POST /reset": only("keep", "erase", "after"),
  "POST /wipe": only(),
  "POST /config/apply": unlessDryRun(({ mode, documents }) => ({ mode, documents: documentsOf(documents) })),
  "POST /config/rollback": unlessDryRun(only("mode", "to")),
  "POST /config/confirm": only(),
  [CAPTURE]: only("interface", "filter", "snaplen", "count", "duration", "withApi", "promiscuous"),
  // The command came without what looks like a secret: docs/concepts/debug.md
  [DEBUG]: only("image", "digest", "rights", "command"),
  [REPLACE_CERTIFICATE]: only(),
  [REPLACE_TRUST]: only(),
  [RENEW]: only(),
  [ENROL]: ({ documents, epoch }) => ({ epoch, documents: documentsOf(documents) }),
  [JOIN]: only("epoch"),
  [GIVE_BACK]: ({ authorities }) => ({ to: authorities === undefined ? "nobody" : "another owner" }),
  [INSTALL_CALLS.install]: only("device", "wipe", "after", "source"),
};

/** A place without what may be secret of it: a URL may have a password, or a token among its parameters. */
function sourceText(source: unknown): unknown {
  const { is, path, reference, url } = (source ?? {}) as Fields;
  if (is !== "url") return path ?? reference ?? is;
  const parsed = URL.parse(String(url));
  return parsed ? `${parsed.protocol}//${parsed.host}${parsed.pathname}` : "url";
}

/** Machine configs hold passwords: which ones they were is enough. */
function documentsOf(documents: unknown): unknown {
  if (!Array.isArray(documents)) return undefined;
  return documents.map((document: unknown) => {
    const { origin, text } = (document ?? {}) as Fields;
    return { origin, sha256: hex(sha256.digest(new TextEncoder().encode(String(text)))) };
  });
}

/** The same calls; those that change the machine are logged as asked for by this caller. */
export const audited = (routes: LocalRoutes, log: AuditLog, by: AuditCaller): LocalRoutes =>
  Object.fromEntries(
    Object.entries(routes).map(([call, handler]) => {
      const kept = Object.hasOwn(AUDITED, call) ? AUDITED[call] : undefined;
      return [call, kept ? logged(call, handler, kept, log, by) : handler];
    }),
  );

const logged = (call: string, handler: LocalHandler, kept: Kept, log: AuditLog, by: AuditCaller): LocalHandler =>
  async function* (signal, body) {
    const found = kept(isFields(body) ? body : {});
    if (!found) return yield* each(handler(signal, body));
    const fields = Object.keys(found).length > 0 ? { arguments: found } : {};
    const of = await log.append({ is: "begin", call, by, ...fields });
    let [last, ended]: [object, Ended] = [{}, { outcome: "left" }];
    try {
      for await (const value of each(handler(signal, body))) {
        last = value;
        yield value;
      }
      ended = endOf(last, signal.aborted);
    } catch (error) {
      if (!signal.aborted) ended = failureOf(error);
      throw error;
    } finally {
      // Also where whoever has asked listens no more.
      if (of !== undefined) await log.append({ is: "end", of, ...ended });
    }
  };

type Ended = Pick<Extract<AuditFields, { readonly is: "end" }>, "outcome" | "code" | "reason">;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;

async function* each(result: ReturnType<LocalHandler>): AsyncGenerator<object> {
  if (Symbol.asyncIterator in result) yield* result;
  else yield await result;
}

function failureOf(error: unknown): Ended {
  const { code, message } = error instanceof AppError ? error : { code: "INTERNAL", message: "it was not expected" };
  return { outcome: "failed", code, reason: shortLine(message) };
}

/** By the last that was told: docs/concepts/upgrade.md has the news of operations. */
function endOf(last: object, isAborted: boolean): Ended {
  if ("restarting" in last) return { outcome: "restarting" };
  if (isAborted && !("ended" in last)) return { outcome: "left" };
  const { outcome, code, reason } = ("ended" in last ? last.ended : {}) as Readonly<Record<string, string | undefined>>;
  if (outcome === undefined || outcome === "succeeded" || outcome === "cancelled") return { outcome: "done" };
  return {
    outcome: "failed",
    ...(code === undefined ? {} : { code }),
    ...(reason === undefined ? {} : { reason: shortLine(reason) }),
  };
}
