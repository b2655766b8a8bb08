import { Option } from "commander";
import { parseDuration, type Seconds } from "../../core/units.ts";
import { UsageError } from "../output.ts";

export const pauseTime = (): Option =>
  new Option("--for <time>", "how long: 30min, 12h, 168h; default: until `petrify updates resume`").argParser((text): Seconds => {
    const seconds = parseDuration(text);
    if (seconds !== undefined) return seconds;
    throw new UsageError("USAGE", `--for ${text}: must be a whole number and a unit: 30min, 12h`);
  });
