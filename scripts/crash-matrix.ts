/**
 * `npm run crash-matrix`: the power is cut at every moment of every operation. Prints the table and writes docs/crash-matrix.md, unless only some
 * operations were asked for; ends with 1 when a state is not what it has to be. docs/concepts/power-cuts.md
 */
import { Command, InvalidArgumentError } from "commander";
import { inTurn } from "../tests/crash/run-matrix.ts";
import { SCENARIOS } from "../tests/crash/scenarios.ts";
import { wholeMatrix, writePage, wrongs } from "../tests/crash/whole.ts";

const count = (text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("Give a whole number from 1 on.");
  return Number(text);
};
const operation = (name: string, before: readonly string[] = []): readonly string[] => {
  const names = SCENARIOS.map((scenario) => scenario.name);
  if (!names.includes(name)) throw new InvalidArgumentError(`There are: ${names.join("; ")}.`);
  return [...before, name];
};
const options = new Command("crash-matrix")
  .option("--seed <n>", "of everything that is left to chance", count, 1)
  .option("--logs <n>", "recordings of each operation on each controller", count, 1)
  .option("--states <n>", "at most, of each time between two flushes", count, 400)
  .option("--boots <n>", "states of each recording that are booted for real", count, 5)
  .option("--only <operation>", "of a machine, after its first boot; again for another one (the page is not written)", operation)
  .parse()
  .opts<{ seed: number; logs: number; states: number; boots: number; only?: readonly string[] }>();
const { states, ...rest } = options;
const result = await wholeMatrix({
  ...rest,
  turns: inTurn,
  statesAnEpoch: states,
  say: (line) => void process.stderr.write(`${line}\n`),
});
process.stdout.write(result.page);
if (!options.only) await writePage(result);
process.exitCode = wrongs(result) === 0 ? 0 : 1;
