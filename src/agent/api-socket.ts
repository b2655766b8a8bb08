/** The agent's side of the API: its own program is nobody in particular, and comes with a token that only root could have given to it. */
import { AppError } from "../core/error.ts";
import { hex } from "../core/digest.ts";
import { readText } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import { serveLocally, type LocalHandler, type LocalRoutes } from "../host/unix-http.ts";
import { API_SOCKET, API_TOKEN } from "../layout/api-places.ts";
import { ENROL, type Enrolment } from "./enrolment.ts";

/** The most that somebody who takes over the API's program could ask for: of a machine that has an owner, and of one that waits for one. */
const CALLS = ["GET /status", "GET /operation"] as const;
const CALLS_WITHOUT_OWNER = ["GET /status", ENROL] as const;
const TOKEN = /^[0-9a-f]{64}$/;

interface ApiSocketOptions {
  /** All of the agent's. */
  readonly routes: LocalRoutes;
  readonly enrolment: Pick<Enrolment, "isEnrolled">;
  readonly random: (bytes: number) => Uint8Array;
  readonly places?: { readonly socket: string; readonly token: string };
}

/** Where the machine has an API, or waits for an owner. */
export async function serveApiProgram({
  routes,
  enrolment,
  random,
  places = { socket: API_SOCKET, token: API_TOKEN },
}: ApiSocketOptions): Promise<AsyncDisposable> {
  let token = await tokenOf(places.token, random);
  const guarded = (call: string): LocalHandler => {
    return (signal, body) => {
      const calls: readonly string[] = enrolment.isEnrolled() ? CALLS : CALLS_WITHOUT_OWNER;
      if (!calls.includes(call)) throw new AppError("NO_SUCH_CALL", `the agent has no ${call} now`);
      return routes[call]!(signal, body);
    };
  };
  const served = Object.fromEntries([...new Set([...CALLS, ...CALLS_WITHOUT_OWNER])].map((call) => [call, guarded(call)]));
  const withOwner: LocalRoutes = {
    ...served,
    [ENROL]: async (signal, body) => {
      const result = (await served[ENROL]!(signal, body)) as object;
      // What anybody could talk to until now knows the one before.
      token = await newToken(places.token, random);
      return result;
    },
  };
  return await serveLocally(places.socket, withOwner, () => token);
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
