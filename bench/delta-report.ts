/** Figures of deltas as tables. Pure. */
import { formatSize, type Bytes } from "../src/core/units.ts";
import type { Cost, DeltaFigures } from "./delta-lab.ts";

export interface DeltaGoal {
  /** Whose bytes petrify's are compared with. */
  readonly peer: string;
  readonly theirs: Bytes;
  readonly ratio: number;
}
/** All that was measured between two images. */
export interface PairFigures {
  readonly title: string;
  /** Of the new image. */
  readonly image: Bytes;
  readonly petrify: DeltaFigures;
  readonly peers: readonly DeltaFigures[];
  readonly goals: readonly DeltaGoal[];
  readonly notes: readonly string[];
}

const megabytes = (bytes: Bytes): string => `${(bytes / 1e6).toFixed(bytes < 10e6 ? 3 : 1)} MB`;
const costCells = (cost: Cost | undefined): string[] =>
  cost ? [`${cost.seconds.toFixed(1)} s`, formatSize(cost.memory)] : ["", ""];
const ratio = (value: number): string => (value < 0.1 ? value.toFixed(4) : value.toFixed(2));

export function pairTables({ title, image, petrify, peers, goals, notes }: PairFigures): string[] {
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    `**${title}**: an image of ${megabytes(image)}. ${notes.join(" ")}`,
    "",
    "| tool | to download | petrify's, of that | make: time | memory | apply: time | memory | written |",
    "|---|---|---|---|---|---|---|---|",
    ...[petrify, ...peers].map(({ tool, bytes, make, apply }) =>
      row([
        ...[tool, megabytes(bytes), tool === petrify.tool ? "" : ratio(petrify.bytes / bytes)],
        ...[...costCells(make), ...costCells(apply), apply ? megabytes(apply.written) : ""],
      ]),
    ),
    "",
    "| petrify's bytes, against | petrify | peer's | ratio | goal | reached |",
    "|---|---|---|---|---|---|",
    ...goals.map(({ peer, theirs, ratio: goal }) => {
      const is = petrify.bytes / theirs;
      return row([peer, megabytes(petrify.bytes), megabytes(theirs), ratio(is), `≤ ${goal}`, is <= goal ? "yes" : "no"]);
    }),
  ];
}
