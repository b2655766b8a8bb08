/**
 * Damages machine configs for as many seconds as are given (default 60). Prints the figures of docs/concepts/cloud-init.md.
 *
 * scripts/node scripts/fuzz-config.ts [SECONDS] [SEED]
 */
import { fuzzConfigs } from "../tests/support/config-fuzz.ts";

const [seconds = "60", seed = "1"] = process.argv.slice(2);
const end = performance.now() + 1000 * Number(seconds);
const { tried, sound, partly, refused, slowest } = fuzzConfigs(
  Number(seed),
  () => performance.now() > end,
  () => performance.now(),
);
process.stdout.write(
  `seed ${seed}: ${tried} configs in ${seconds} s: ${sound} sound, ${partly} used in part, ${refused} refused, 0 failures; the slowest took ${Math.round(slowest)} ms\n`,
);
