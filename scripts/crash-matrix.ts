/**
 * `npm run crash-matrix`: the power is cut at every moment of every operation. Prints the table and writes docs/crash-matrix.md; ends with 1 when a state
 * is not what it has to be. docs/concepts/power-cuts.md
 */
import { Command, InvalidArgumentError } from "commander";
import { inTurn } from "../tests/crash/run-matrix.ts";
import { wholeMatrix, writePage, wrongs } from "../tests/crash/whole.ts";

const count = (text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Give a whole number from 1 on.");
  return Number(text);
};
const options = new Command("crash-matrix")
  .option("--seed <n>", "of everything that is left to chance", count, 1)
  .option("--logs <n>", "recordings of each operation on each controller", count, 1)
  .option("--states <n>", "at most, of each time between two flushes", count, 400)
  .option("--boots <n>", "states of each recording that are booted for real", count, 5)
  .parse()
  .opts<{ seed: number; logs: number; states: number; boots: number }>();
const { states, ...rest } = options;
const result = await wholeMatrix({
  ...rest,
  turns: inTurn,
  statesAnEpoch: states,
  say: (line) => void process.stderr.write(`${line}\n`),
});
process.stdout.write(result.page);
await writePage(result);
process.exitCode = wrongs(result) === 0 ? 0 : 1;
