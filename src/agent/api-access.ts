/** What the agent has for the API's own program: little, unless the machine has an owner, or waits for one. docs/concepts/pki.md */
import { dirname } from "node:path";
import { fileExists, makeFolder, readText, removeFile } from "../host/files.ts";
import { replaceFile } from "../host/replace-file.ts";
import type { LocalRoutes } from "../host/unix-http.ts";
import { MAINTENANCE_FILE, MAINTENANCE_WORD } from "../layout/api-places.ts";
import { commandLineWords } from "../layout/cmdline.ts";
import type { AuditCaller } from "../layout/audit-log.ts";
import type { Agent } from "./agent.ts";
import type { AuditLog } from "./audit-log.ts";
import { audited } from "./audited.ts";
import { serveApiProgram } from "./api-socket.ts";
import { CAPTURE, captureHandler } from "./capture-log.ts";
import { ENROL, openEnrolment } from "./enrolment.ts";
import { certificateRequest, enrolRequest, trustRequest } from "./operations/wire.ts";
import { openOwnership, REPLACE_CERTIFICATE, REPLACE_TRUST } from "./ownership.ts";

interface AccessPorts {
  readonly random: (bytes: number) => Uint8Array;
  readonly audit: AuditLog;
  readonly log: (level: "info" | "alarm", line: string) => void;
}

export async function openApiAccess(
  agent: Pick<Agent, "config" | "status">,
  routes: (by: AuditCaller) => LocalRoutes,
  { random, log, audit }: AccessPorts,
): Promise<AsyncDisposable> {
  const { fingerprint } = agent.status();
  const means = { fingerprint: () => fingerprint, log: (line: string) => log("info", line) };
  const enrolment = await openEnrolment({ ...means, config: agent.config });
  const ownership = openOwnership(means);
  const wait = async (own: string): Promise<boolean> => {
    try {
      await enrolment.prepare();
    } catch (error) {
      log("alarm", `this machine cannot wait for an owner: ${(error as Error).message}`);
      return false;
    }
    // Hardly any machine ever needs it.
    const { ISSUE_FILE, issueText, noticeLine } = await import("./waiting-notice.ts");
    log("alarm", noticeLine(own));
    await makeFolder(dirname(ISSUE_FILE));
    await replaceFile(ISSUE_FILE, issueText(own));
    return true;
  };
  // Who keeps nothing, or cannot be known again, cannot have an owner.
  const mayWait = !enrolment.isEnrolled() && fingerprint !== undefined && (await waitsForOwner());
  const waits = mayWait && (await wait(fingerprint));
  const enrol = async (signal: AbortSignal, body: unknown): Promise<object> => {
    const result = await enrolment.enrol(enrolRequest(body), signal);
    await removeFile((await import("./waiting-notice.ts")).ISSUE_FILE);
    return result;
  };
  const own: LocalRoutes = {
    [ENROL]: enrol,
    [CAPTURE]: captureHandler,
    [REPLACE_CERTIFICATE]: async (_signal, body) => await ownership.replaceCertificate(certificateRequest(body)),
    [REPLACE_TRUST]: async (_signal, body) => await ownership.replaceTrust(trustRequest(body)),
  };
  const all = (by: AuditCaller): LocalRoutes => ({ ...routes(by), ...audited(own, audit, by) });
  return await serveApiProgram({ routes: all, waits, enrolment, random });
}

const waitsForOwner = async (): Promise<boolean> =>
  (await fileExists(MAINTENANCE_FILE)) ||
  commandLineWords(await readText("/proc/cmdline")).some(([word]) => word === MAINTENANCE_WORD);
