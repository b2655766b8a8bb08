/**
 * @portable Restarts a machine that runs a slot on trial which nobody judges, as one whose agent does not start: each boot takes one of the slot's tries, so the
 * slot before it runs in the end. docs/concepts/health.md
 */
import { formatSpan } from "../core/units.ts";
import { HEALTH_PLAN_PATH, RESTARTS } from "../layout/health-plan.ts";
import { planOfBoot } from "../layout/plan-of-boot.ts";
import { newestRecord, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS } from "../layout/record.ts";
import { parseRunConfig, RUN_CONFIG_PATH } from "../layout/run-config.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import type { SlotName } from "../layout/slots.ts";
import type { Sys } from "./sys.ts";

const LOOK_MS = 30_000;
/** What an agent that judges has after the deadline: to start late, to store why, and to restart the machine itself. */
const PATIENCE_SECONDS = 600;
const SYSTEMCTL = "/usr/bin/systemctl";

/** Returns when there is nothing to judge any more, and else does not. What cannot be read is no reason for a restart. */
export function restartUnjudged(sys: Sys): void {
  const { slot, partitions } = parseRunFacts(sys.readText(RUN_FACTS_PATH));
  if ((slot !== "a" && slot !== "b") || partitions.record === undefined) return;
  for (;;) {
    if (!isOnTrial(sys, slot, partitions.record.device)) return;
    const limit = deadline(sys) + PATIENCE_SECONDS;
    if (sys.now() >= limit * 1000) {
      const reason = `slot ${slot}${RESTARTS}nobody has judged it ${formatSpan(limit)} after the kernel's start, so its agent does not run`;
      sys.log("error", reason);
      sys.exec(SYSTEMCTL, [SYSTEMCTL, "reboot", "--no-wall", `--message=${reason}`]);
    }
    sys.pause(LOOK_MS);
  }
}

/** The record alone knows. What the agent writes past the page cache is no longer in that. */
function isOnTrial(sys: Sys, slot: SlotName, device: string): boolean {
  const file = sys.open(device, "read");
  const [one, two] = RECORD_COPY_OFFSETS.map((offset) => {
    try {
      return sys.readAt(file, offset, RECORD_BLOCK_SIZE);
    } catch {
      return undefined;
    }
  });
  sys.close(file);
  const { newest } = newestRecord([one, two]);
  return newest.is === "whole" && newest.record.slots[slot].state === "trial";
}

/** Of this boot, in seconds since the kernel's start. */
function deadline(sys: Sys): number {
  const config = sys.exists(RUN_CONFIG_PATH) ? parseRunConfig(sys.readText(RUN_CONFIG_PATH)) : undefined;
  const ofImage = sys.exists(HEALTH_PLAN_PATH) ? sys.readText(HEALTH_PLAN_PATH) : undefined;
  return planOfBoot(config, ofImage).plan.deadlineSeconds;
}
