import { Option } from "commander";
import { formatDuration, parseDuration, type Seconds } from "../core/units.ts";
import { LONGEST_LOCK } from "../layout/restart-lock.ts";
import { UsageError } from "./output.ts";

export const lockTime = (): Option =>
  new Option("--ttl <time>", `how long it lasts at the most: 90s, 10min, 2h; up to ${formatDuration(LONGEST_LOCK)}`).argParser(
    (text): Seconds => {
      const seconds = parseDuration(text);
      if (seconds !== undefined && seconds <= LONGEST_LOCK) return seconds;
      throw new UsageError("USAGE", `--ttl ${text}: must be 1s … ${formatDuration(LONGEST_LOCK)}, written as 90s, 10min or 2h`);
    },
  );
