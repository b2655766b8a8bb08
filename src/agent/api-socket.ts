/** The agent's side of the API: its own program is nobody in particular, and comes with a token that only root could have given to it. */
import { hex } from "../core/digest.ts";
import { fileExists, readText } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import { serveLocally, type LocalRoutes } from "../host/unix-http.ts";
import { API_FOLDER, API_SOCKET, API_TOKEN, AUTHORITIES_FILE } from "../layout/api-places.ts";

/** The most that somebody who takes over the API's program could ask for. */
const CALLS = ["GET /status", "GET /operation"] as const;
const TOKEN = /^[0-9a-f]{64}$/;

/**
 * Where the machine has an API.
 *
 * @param routes all of the agent's
 * @returns nothing where it has none: that costs a look at a file
 */
export async function serveApiProgram(
  routes: LocalRoutes,
  random: (bytes: number) => Uint8Array,
  places = { authorities: `${API_FOLDER}/${AUTHORITIES_FILE}`, socket: API_SOCKET, token: API_TOKEN },
): Promise<AsyncDisposable | undefined> {
  if (!(await fileExists(places.authorities))) return undefined;
  const served = Object.fromEntries(CALLS.map((call) => [call, routes[call]!]));
  return await serveLocally(places.socket, served, await tokenOf(places.token, random));
}

/** The same for the whole boot: a program that has it goes on when the agent has been restarted. */
async function tokenOf(path: string, random: (bytes: number) => Uint8Array): Promise<string> {
  const found = await readText(path).catch(() => "");
  if (TOKEN.test(found)) return found;
  const token = hex(random(32));
  await replaceFile(path, token, 0o600);
  return token;
}
