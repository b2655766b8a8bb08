/** What the agent has for the API's own program: little, unless the machine has an owner, or waits for one. docs/concepts/pki.md */
import { AppError } from "../core/error.ts";
import { existsNow, readText } from "../host/files.ts";
import { NODE_KEY_FILE } from "../host/node-key.ts";
import type { InitSystem } from "../host/init-system.ts";
import type { LocalRoutes } from "../host/unix-http.ts";
import { AUTHORITY_SETTINGS } from "../layout/api-places.ts";
import { decodeAuthoritySettings } from "../layout/authority-settings.ts";
import type { MachineEvent } from "../layout/events.ts";
import type { AuditCaller } from "../layout/audit-log.ts";
import type { Agent } from "./agent.ts";
import type { AuditLog } from "./audit-log.ts";
import { audited } from "./audited.ts";
import { DATA_FOLDERS } from "./degraded.ts";
import { enrolmentInMemory } from "./install/enrolled-disk.ts";
import { serveApiProgram } from "./api-socket.ts";
import { CAPTURE, DEBUG, untilLetGo } from "./logged-calls.ts";
import { ENROL, GIVE_BACK, JOIN, openEnrolment } from "./enrolment.ts";
import { certificateRequest, enrolRequest, giveBackRequest, trustRequest } from "./operations/wire.ts";
import { loginNotices } from "./login-notices.ts";
import { openOwnership, RENEW, REPLACE_CERTIFICATE, REPLACE_TRUST } from "./ownership.ts";

interface AccessPorts {
  readonly init: Pick<InitSystem, "act">;
  readonly random: (bytes: number) => Uint8Array;
  readonly audit: AuditLog;
  readonly log: (level: "info" | "alarm", line: string, event?: MachineEvent) => void;
  /** Milliseconds, of a clock that nobody sets. */
  readonly uptime: () => number;
  readonly waitsForOwner: boolean;
}
export interface ApiAccess extends AsyncDisposable {
  /** What root on the machine may ask besides. */
  readonly local: (by: AuditCaller) => LocalRoutes;
}

const API_SERVICE = "petrify-api.service";

export async function openApiAccess(
  agent: Pick<Agent, "config" | "status" | "installer">,
  routes: (by: AuditCaller) => LocalRoutes,
  { random, log, audit, init, uptime, waitsForOwner }: AccessPorts,
): Promise<ApiAccess> {
  const { fingerprint } = agent.status();
  const means = { fingerprint: () => fingerprint, log: (line: string, event?: MachineEvent) => log("info", line, event) };
  const { config, installer } = agent;
  const key = async (): Promise<string> => await readText(`${DATA_FOLDERS.oem}/${NODE_KEY_FILE}`);
  const memory = installer.isInstaller ? enrolmentInMemory({ installer, config, key, log }) : undefined;
  const enrolment = await openEnrolment({ ...means, config, memory, uptime: () => uptime() / 1000 });
  const ownership = openOwnership(means);
  const notices = loginNotices((line) => log("info", line));
  const makeRoom = async (): Promise<boolean> => {
    try {
      await enrolment.prepare();
      return true;
    } catch (error) {
      log("alarm", `this machine cannot have an owner: ${(error as Error).message}`);
      return false;
    }
  };
  const wait = async (own: string): Promise<boolean> => {
    // Hardly any machine ever needs it.
    const { ISSUE_FILE, issueText, noticeLine } = await import("./waiting-notice.ts");
    log("alarm", noticeLine(own));
    await notices.say(ISSUE_FILE, issueText(own, enrolment.isGivenBack()));
    return true;
  };
  // Who keeps nothing, or cannot be known again, cannot have an owner.
  const isFree = !enrolment.isEnrolled() && fingerprint !== undefined && (await makeRoom());
  let waits = isFree && (enrolment.isGivenBack() || waitsForOwner) && (await wait(fingerprint));
  const enrol = async (signal: AbortSignal, body: unknown): Promise<object> => {
    const result = await enrolment.enrol(enrolRequest(body), signal);
    await notices.say((await import("./waiting-notice.ts")).ISSUE_FILE, undefined);
    await notices.tellOfRecoveryToken();
    return result;
  };
  await notices.tellOfRecoveryToken();
  // The next caller starts it again, with what there is then.
  const endApi = (): void =>
    void init.act(API_SERVICE, "stop").catch((error: unknown) => {
      log("info", `${API_SERVICE} goes on with what it was started with: ${(error as Error).message}`);
    });
  const own: LocalRoutes = {
    [ENROL]: enrol,
    [CAPTURE]: untilLetGo,
    [DEBUG]: untilLetGo,
    [JOIN]: async (signal, body) => {
      if (decodeAuthoritySettings(await readText(AUTHORITY_SETTINGS))?.join === undefined)
        throw new AppError("NO_JOIN_TOKEN", "the config of this machine has no join token");
      const result = await enrol(signal, body);
      endApi();
      return result;
    },
    [RENEW]: async (_signal, body) => {
      const result = await ownership.replaceCertificate(certificateRequest(body));
      if (result.changed) endApi();
      return result;
    },
    [REPLACE_CERTIFICATE]: async (_signal, body) => await ownership.replaceCertificate(certificateRequest(body)),
    [REPLACE_TRUST]: async (_signal, body) => {
      const result = await ownership.replaceTrust(trustRequest(body));
      await notices.tellOfRecoveryToken();
      return result;
    },
  };
  const giveBack: LocalRoutes = {
    [GIVE_BACK]: async (_signal, body) => {
      if (fingerprint === undefined) throw new AppError("NODE_KEY_MISSING", "this machine has no key: it cannot be known again");
      const result = await enrolment.giveBack(giveBackRequest(body));
      waits = result.waits && (await wait(fingerprint));
      await notices.tellOfRecoveryToken();
      endApi();
      return { ...result, fingerprint };
    },
  };
  const all = (by: AuditCaller): LocalRoutes => ({ ...routes(by), ...audited(own, audit, by) });
  const joins = (): boolean => existsNow(AUTHORITY_SETTINGS);
  const served = await serveApiProgram({ routes: all, waits: () => waits, joins, enrolment, random });
  return {
    local: (by) => audited(giveBack, audit, by),
    [Symbol.asyncDispose]: async () => await served[Symbol.asyncDispose](),
  };
}
