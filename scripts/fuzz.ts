/**
 * Runs the fuzzers of what strangers send with a fixed number of cases each, from a fixed seed, and prints how each was answered: the figures of docs/concepts/delta.md and
 * docs/concepts/registry.md. The same numbers come out everywhere.
 *
 * scripts/node scripts/fuzz.ts [CASES] [SEED]      # default: 20000 cases, seed 1
 */
import { fuzzParser, PARSERS } from "../tests/support/parser-fuzz.ts";

const [cases = "20000", seed = "1"] = process.argv.slice(2);
for (const parser of PARSERS) {
  const started = process.cpuUsage();
  const { read, refused } = fuzzParser(parser, Number(cases), Number(seed));
  const { user, system } = process.cpuUsage(started);
  const time = ((user + system) / 1e6).toFixed(1);
  process.stdout.write(
    `${parser.name}: ${cases} cases, seed ${seed}: ${read} read, ${refused} refused, 0 failures, ${time} s of a processor\n`,
  );
}
