/** The agent's side of the API: its own program is nobody in particular, and comes with a token that only root could have given to it. */
import { AppError } from "../core/error.ts";
import { hex } from "../core/digest.ts";
import { readText } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import { serveLocally, type LocalHandler, type LocalRoutes } from "../host/unix-http.ts";
import { API_SOCKET, API_TOKEN } from "../layout/api-places.ts";
import type { AuditCaller } from "../layout/audit-log.ts";
import { parseCaller } from "./api-caller.ts";
import { CAPTURE, DEBUG } from "./logged-calls.ts";
import { ENROL, JOIN, type Enrolment } from "./enrolment.ts";
import { RENEW, REPLACE_CERTIFICATE, REPLACE_TRUST } from "./ownership.ts";

/** The most that somebody who takes over the API's program could ask for: of a machine that has an owner, and of one that waits for one. */
const CALLS = [
  ...["GET /status", "GET /operation", "GET /history", "GET /audit"],
  ...["POST /upgrade/plan", "POST /upgrade", "POST /upgrade/cancel", "POST /rollback", "POST /restart", "POST /shutdown"],
  ...["POST /reset/plan", "POST /reset", "POST /service", "GET /services", "POST /copy"],
  ...[REPLACE_CERTIFICATE, REPLACE_TRUST, RENEW, CAPTURE, DEBUG],
  ...["GET /updates", "GET /updates/plan", "POST /updates/check", "POST /updates/apply"],
  ...["POST /updates/pause", "POST /updates/resume", "POST /lock", "POST /lock/release"],
  ...["POST /config/apply", "POST /config/rollback", "POST /config/confirm", "POST /config/diff", "GET /config/history"],
];
const CALLS_WITHOUT_OWNER = ["GET /status", ENROL];
/** Of a machine whose config has a join token. */
const CALLS_TO_JOIN = [JOIN];
/** Asked for by the machine itself. */
const ITSELF: AuditCaller = { name: "petrify-authority", via: "socket" };
const TOKEN = /^[0-9a-f]{64}$/;

interface ApiSocketOptions {
  /** All of the agent's, as they are for a caller. */
  readonly routes: (by: AuditCaller) => LocalRoutes;
  /** A machine that nobody owns waits for an owner. */
  readonly waits: () => boolean;
  /** It may become somebody's by a join token. */
  readonly joins: () => boolean;
  readonly enrolment: Pick<Enrolment, "isEnrolled">;
  readonly random: (bytes: number) => Uint8Array;
  readonly places?: { readonly socket: string; readonly token: string };
}

/** Also on a machine without an API: it may be given an authority at any time. */
export async function serveApiProgram({
  routes,
  waits,
  joins,
  enrolment,
  random,
  places = { socket: API_SOCKET, token: API_TOKEN },
}: ApiSocketOptions): Promise<AsyncDisposable> {
  let token = await tokenOf(places.token, random);
  const guarded = (call: string): LocalHandler => {
    return (signal, body, caller) => {
      const calls: readonly string[] = enrolment.isEnrolled()
        ? CALLS
        : [...(waits() ? CALLS_WITHOUT_OWNER : []), ...(joins() ? CALLS_TO_JOIN : [])];
      if (!calls.includes(call)) throw new AppError("NO_SUCH_CALL", `the agent has no ${call} now`);
      return routes(call === JOIN || call === RENEW ? ITSELF : parseCaller(caller))[call]!(signal, body);
    };
  };
  const served = Object.fromEntries(
    [...new Set([...CALLS, ...CALLS_WITHOUT_OWNER, ...CALLS_TO_JOIN])].map((call) => [call, guarded(call)]),
  );
  // What anybody could talk to until now knows the token from before.
  const thenNewToken =
    (handler: LocalHandler): LocalHandler =>
    async (signal, body) => {
      const result = await lastOf(handler(signal, body));
      token = await newToken(places.token, random);
      return result;
    };
  const withOwner = { ...served, ...Object.fromEntries([ENROL, JOIN].map((call) => [call, thenNewToken(served[call]!)])) };
  return await serveLocally(places.socket, withOwner, () => token);
}

/** Once it has ended. */
async function lastOf(answer: ReturnType<LocalHandler>): Promise<object> {
  if (!(Symbol.asyncIterator in answer)) return await answer;
  return (await Array.fromAsync(answer)).at(-1) ?? {};
}

/** The same for the whole boot: a program that has it goes on when the agent has been restarted. */
async function tokenOf(path: string, random: (bytes: number) => Uint8Array): Promise<string> {
  const found = await readText(path).catch(() => "");
  return TOKEN.test(found) ? found : await newToken(path, random);
}

async function newToken(path: string, random: (bytes: number) => Uint8Array): Promise<string> {
  const token = hex(random(32));
  await replaceFile(path, token, 0o600);
  return token;
}
