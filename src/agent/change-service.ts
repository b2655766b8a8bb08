/** Starts and stops services of the machine; not petrify's own, which a machine would be lost without. */
import { AppError } from "../core/error.ts";
import { CommandError } from "../host/run.ts";
import type { InitSystem, ServiceAction, UnitState } from "../host/init-system.ts";
import { shortLine } from "../layout/short-line.ts";

export interface ServiceRequest {
  /** `web` is `web.service`. */
  readonly name: string;
  readonly action: ServiceAction;
}
/** What it is afterwards. */
export interface ServiceState extends UnitState {
  readonly name: string;
  readonly changed: boolean;
}

const OWN = /^petrify(?:d|-|\.|@)/;
/** What ends in one of these is a unit's whole name. Source: systemd.unit(5) */
const TYPES = /\.(?:service|socket|target|timer|path|mount|automount|swap|slice|scope|device)$/;

/** @throws AppError `SERVICE_PROTECTED`, `SERVICE_UNKNOWN`, `SERVICE_FAILED` */
export async function changeService(
  init: Pick<InitSystem, "unit" | "act">,
  { name: asked, action }: ServiceRequest,
): Promise<ServiceState> {
  const name = TYPES.test(asked) ? asked : `${asked}.service`;
  if (OWN.test(name) || !/\.(?:service|socket|timer)$/.test(name)) {
    throw new AppError("SERVICE_PROTECTED", `${name} is not to be changed from elsewhere`, {
      hint: "Services, sockets and timers are, other than petrify's own. To restart the machine: petrify reboot",
    });
  }
  const before = await init.unit(name);
  if (before.state === "not found") {
    throw new AppError("SERVICE_UNKNOWN", `there is no ${name} on this machine`, {
      hint: "Write its name as the machine's `systemctl list-units` does.",
    });
  }
  if (action !== "restart" && before.active === (action === "start")) return { name, ...before, changed: false };
  // Not cut short where nobody waits for it any more.
  await init.act(name, action).catch((cause: unknown) => {
    if (!(cause instanceof CommandError)) throw cause;
    const why = shortLine(cause.result?.stderr ?? "") || cause.message;
    throw new AppError("SERVICE_FAILED", `${name} did not ${action}: ${why}`, { hint: "Its log says more.", cause });
  });
  return { name, ...(await init.unit(name)), changed: true };
}
