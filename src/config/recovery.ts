/** @portable The part of a recipe that says when recovery looks for a way out. docs/concepts/recovery.md */
import { z } from "zod";
import { formatDuration } from "../core/units.ts";
import { DEFAULT_RECOVERY_PLAN, MAX_RECOVERY_WAITS, RECOVERY_WAIT, type RecoveryPlan } from "../layout/recovery-plan.ts";
import * as words from "./words.ts";

export const Recovery = z.strictObject({
  after: z
    .array(words.Duration(RECOVERY_WAIT))
    .min(1, "must name at least one time")
    .max(MAX_RECOVERY_WAITS)
    .prefault(DEFAULT_RECOVERY_PLAN.afterSeconds.map(formatDuration))
    .describe("How long recovery waits before each attempt to boot a slot again; the last one repeats: 5s … 24h"),
});

/** What the image's file says: docs/formats/recovery-plan.md. */
export const recoveryPlan = ({ after }: z.output<typeof Recovery>): RecoveryPlan => ({ afterSeconds: after });
