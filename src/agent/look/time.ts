import { join } from "node:path";
import { z } from "zod";
import { clockIsSet, kernelClockError } from "../../host/clock-is-set.ts";
import { linkTarget, readText } from "../../host/files.ts";
import type { TimeResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { bootTime } from "./boot-time.ts";
import { lookCall } from "./call.ts";
import { durationJson, timestampJson } from "./json.ts";

/** Source: linux/timex.h, NTP_PHASE_LIMIT: the kernel says no more, and says so until somebody has told it what time it is. */
const UNKNOWN_SECONDS = 16;

export const time = lookCall({
  request: z.strictObject({}),
  answer: async (_request, ports): Promise<TimeResponseJson> => {
    const { root, now } = ports;
    const at = now();
    const { isSet, why } = await clockIsSet(at);
    const microseconds = kernelClockError();
    const error = microseconds === undefined ? UNKNOWN_SECONDS : Number(microseconds) / 1e6;
    const hardware = await readText(join(root, "sys/class/rtc/rtc0/since_epoch")).catch(() => "");
    const zone = /\/zoneinfo\/(?:posix\/|right\/)?([\w+/-]{1,64})$/.exec((await linkTarget(join(root, "etc/localtime"))) ?? "");
    return {
      ...{ now: timestampJson(at), isSet, reason: why, boot: timestampJson(await bootTime(ports)), zone: zone?.[1] ?? "UTC" },
      ...(error >= 0 && error < UNKNOWN_SECONDS ? { error: durationJson(error) } : {}),
      ...(/^\d{1,12}\s*$/.test(hardware) ? { hardware: timestampJson(Number(hardware)) } : {}),
    };
  },
});
