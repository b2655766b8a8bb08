/** How a machine keeps itself current, in the words of the contract. Pure. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, type Duration } from "@bufbuild/protobuf/wkt";
import type { UpdateChannel } from "../../config/updates/updates-config.ts";
import { AppError } from "../../core/error.ts";
import type { Seconds } from "../../core/units.ts";
import type { PlanUpdatesResponseSchema, RestartLockSchema, UpdatesStatusSchema } from "../../protocol/petrify/v1/updates_pb.ts";
import type { UpdatePlan } from "../updates/plan.ts";
import type { UpdatesStatus } from "../updates/updates.ts";

const time = (seconds: Seconds) => timestampFromMs(seconds * 1000);
const span = (seconds: Seconds) => durationFromMs(seconds * 1000);

export function updatesMessage({ config, state, next, locks }: UpdatesStatus): MessageInitShape<typeof UpdatesStatusSchema> {
  const { lookedAt, lookFailure, release, paused, lock, left, took } = state;
  return {
    ...(config && { source: config.source ?? "", channel: channelText(config.channel), mode: config.mode }),
    ...(lookedAt !== undefined && { looked: time(lookedAt) }),
    ...(lookFailure && { lookFailures: lookFailure.count, lookFailure: lookFailure.reason }),
    ...(release && { release: { ...release, created: time(release.created) } }),
    ...(next && { step: next.step, because: next.because, why: next.why }),
    ...(paused && {
      paused: {
        ...{ at: time(paused.at), by: paused.by, reason: paused.reason ?? "" },
        ...(paused.until !== undefined && { until: time(paused.until) }),
      },
    }),
    ...{ locks: locks.map(lockMessage), fleetLock: lock ?? "" },
    left: left.map(({ version, image, at, reason, again = false }) => ({ version, image, at: time(at), reason, again })),
    ...(took !== undefined && { took: span(took) }),
  };
}

export const lockMessage = ({
  name,
  left,
  reason = "",
}: UpdatesStatus["locks"][number]): MessageInitShape<typeof RestartLockSchema> => ({ name, left: span(left), reason });

export const planMessage = ({
  now,
  step,
  because,
  why,
  earliest,
  dates,
}: UpdatePlan): MessageInitShape<typeof PlanUpdatesResponseSchema> => ({
  ...{ now: time(now), step, because, why },
  ...(earliest !== undefined && { earliest: time(earliest) }),
  dates: dates.map(({ at, what, until }) => ({ at: time(at), what, ...(until !== undefined && { until: time(until) }) })),
});

/** @throws AppError `REQUEST_INVALID` for less than a second */
export function wholeSeconds(duration: Duration | undefined): Seconds | undefined {
  if (!duration) return undefined;
  const seconds = Number(duration.seconds);
  if (seconds >= 1 && duration.nanos === 0) return seconds;
  throw new AppError("REQUEST_INVALID", "a duration is not a whole number of seconds", { hint: "Write 3600s for an hour." });
}

const channelText = (channel: UpdateChannel): string =>
  "tag" in channel ? `tag ${channel.tag}` : "versions" in channel ? `versions ${channel.versions}` : channel.digest;
