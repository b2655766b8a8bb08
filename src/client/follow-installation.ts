/** What becomes of a machine that is being installed with what its owner has given it, until it runs from its disk. docs/concepts/pki.md */
import { AppError } from "../core/error.ts";
import { wait } from "../host/wait.ts";
import { InstallationState, type Installation } from "../protocol/petrify/v1/enrolment_pb.ts";
import { BootTarget } from "../protocol/petrify/v1/node_pb.ts";
import type { FollowMeans } from "./follow-operation.ts";
import type { MaintenanceConnection } from "./open-maintenance.ts";
import { unary, type NodeConnection } from "./open-node.ts";

interface Means extends Pick<FollowMeans, "node" | "open" | "signal"> {
  /** As long as it runs from memory, nobody owns it. */
  readonly openUnowned: () => Promise<MaintenanceConnection>;
  readonly told: (installation: Installation) => void;
  readonly limits?: { readonly pauseMs: number; readonly lostMs: number };
}

/** A machine that restarts may take minutes until its firmware is through. */
const LIMITS = { pauseMs: 2000, lostMs: 15 * 60_000 };

/**
 * Whoever stops does not end it.
 *
 * @returns whether it answers from its disk; else it was told not to restart by itself
 * @throws AppError `INSTALL_FAILED`, `NODE_LOST`
 */
export async function untilInstalled({
  node,
  openUnowned,
  open,
  told,
  signal,
  limits: { pauseMs, lostMs } = LIMITS,
}: Means): Promise<boolean> {
  let last: Installation | undefined;
  for (let seen = performance.now(); ;) {
    const now = await installationOf(openUnowned, signal);
    if (now) {
      seen = performance.now();
      told(now);
      if (now.state === InstallationState.FAILED) {
        throw new AppError("INSTALL_FAILED", `${node} cannot be installed to ${now.disk}: ${now.text}`, {
          hint: "It waits for its owner again.",
        });
      }
      if (now.state === InstallationState.DONE && !now.restarts) return false;
      last = now;
    } else if (await runsFromDisk(open, signal)) return true;
    if (performance.now() - seen > lostMs) {
      throw new AppError("NODE_LOST", `${node} has not come back from its disk`, {
        hint: `Its console says more.${last ? ` The disk is ${last.disk}: its firmware has to start that, and no longer the medium.` : ""}`,
      });
    }
    await wait(pauseMs, signal);
  }
}

/** Nothing where it does not answer as one that nobody owns. */
async function installationOf(open: Means["openUnowned"], signal: AbortSignal): Promise<Installation | undefined> {
  try {
    await using connection = await open();
    return (await connection.enrolment.describe({}, unary(signal))).installation;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

async function runsFromDisk(open: () => Promise<NodeConnection>, signal: AbortSignal): Promise<boolean> {
  try {
    await using connection = await open();
    return (await connection.node.status({}, unary(signal))).running !== BootTarget.MEMORY;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
