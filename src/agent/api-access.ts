/** What the agent has for the API's own program: nothing, unless the machine has an owner, or waits for one. docs/concepts/pki.md */
import { dirname } from "node:path";
import { fileExists, makeFolder, readText, removeFile } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import type { LocalRoutes } from "../host/unix-http.ts";
import { MAINTENANCE_FILE, MAINTENANCE_WORD } from "../layout/api-places.ts";
import { commandLineWords } from "../layout/cmdline.ts";
import type { Agent } from "./agent.ts";
import { serveApiProgram } from "./api-socket.ts";
import { ENROL, openEnrolment } from "./enrolment.ts";
import { enrolRequest } from "./operations/wire.ts";
import { ISSUE_FILE, issueText, noticeLine } from "./waiting-notice.ts";

interface AccessPorts {
  readonly random: (bytes: number) => Uint8Array;
  readonly log: (level: "info" | "alarm", line: string) => void;
}

export async function openApiAccess(
  agent: Pick<Agent, "config" | "status">,
  routes: LocalRoutes,
  { random, log }: AccessPorts,
): Promise<AsyncDisposable | undefined> {
  const { fingerprint } = agent.status();
  const enrolment = await openEnrolment({
    config: agent.config,
    fingerprint: () => fingerprint,
    log: (line) => log("info", line),
  });
  if (!enrolment.isEnrolled()) {
    // Who keeps nothing, or cannot be known again, cannot have an owner.
    if (fingerprint === undefined || !(await waitsForOwner())) return undefined;
    try {
      await enrolment.prepare();
    } catch (error) {
      log("alarm", `this machine cannot wait for an owner: ${(error as Error).message}`);
      return undefined;
    }
    log("alarm", noticeLine(fingerprint));
    await makeFolder(dirname(ISSUE_FILE));
    await replaceFile(ISSUE_FILE, issueText(fingerprint));
  }
  const enrol = async (signal: AbortSignal, body: unknown): Promise<object> => {
    const result = await enrolment.enrol(enrolRequest(body), signal);
    await removeFile(ISSUE_FILE);
    return result;
  };
  return await serveApiProgram({ routes: { ...routes, [ENROL]: enrol }, enrolment, random });
}

const waitsForOwner = async (): Promise<boolean> =>
  (await fileExists(MAINTENANCE_FILE)) ||
  commandLineWords(await readText("/proc/cmdline")).some(([word]) => word === MAINTENANCE_WORD);
