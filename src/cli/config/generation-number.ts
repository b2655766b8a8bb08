import { InvalidArgumentError } from "commander";
import { generationOf } from "../../layout/generations.ts";

/** @throws InvalidArgumentError */
export function generationNumber(text: string): number {
  const number = generationOf(text);
  if (number !== undefined) return number;
  throw new InvalidArgumentError("It is the number of a machine config: see `petrify config history`.");
}
