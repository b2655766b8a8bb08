/** Measurements as tables, for people and for docs/benchmarks.md. Pure. */
import { AppError } from "../src/core/error.ts";
import { formatSize, type Bytes } from "../src/core/units.ts";
import { pairTables, type PairFigures } from "./delta-report.ts";
import { pairRatios, spread } from "./stats.ts";

/** One thing measured on two sides, run by run in pairs. */
export interface Comparison {
  readonly title: string;
  readonly peer: string;
  /** Seconds. */
  readonly ours: readonly number[];
  readonly theirs: readonly number[];
  /** One of them, or both. */
  readonly goal?: { readonly ratio?: number; readonly seconds?: number };
}
export interface SizeComparison {
  readonly title: string;
  /** Bytes by side. */
  readonly sizes: Readonly<Record<string, Bytes>>;
  /** Largest size that is aimed at, of petrify's. */
  readonly goal?: Bytes;
}
export interface CountComparison {
  readonly title: string;
  /** By side. */
  readonly counts: Readonly<Record<string, number>>;
}
export interface BootStages {
  readonly side: string;
  readonly kernel: readonly number[];
  readonly init: readonly number[];
  readonly multiUser: readonly number[];
}
/** What one part of a run has measured, and under which circumstances. */
export interface Report {
  readonly date: string;
  readonly command: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string>>;
  readonly comparisons: readonly Comparison[];
  readonly stages: readonly BootStages[];
  readonly sizes: readonly SizeComparison[];
  readonly counts: readonly CountComparison[];
  readonly deltas: readonly PairFigures[];
  readonly notes: readonly string[];
}

const seconds = (value: number): string => `${value.toFixed(1)} s`;
const range = (values: readonly number[]): string => {
  const { median, min, max } = spread(values);
  return values.length === 1 ? seconds(median) : `${seconds(median)} (${min.toFixed(1)}–${max.toFixed(1)})`;
};

/** A report as Markdown. */
export function markdown({
  date,
  command,
  machine,
  versions,
  comparisons,
  stages,
  sizes,
  counts,
  deltas,
  notes,
}: Report): string {
  const list = (facts: Readonly<Record<string, string>>): string[] =>
    Object.entries(facts).map(([name, value]) => `- ${name}: ${value}`);
  const blocks = [
    comparisons.length > 0 ? comparisonTable(comparisons) : [],
    stages.length > 0 ? stageTable(stages) : [],
    counts.length > 0 ? countTable(counts) : [],
    sizes.length > 0 ? sizeTable(sizes) : [],
    ...deltas.map(pairTables),
    [`Measured on ${date} by \`${command}\`.`],
    [...list(machine), ...list(versions), ...notes.map((note) => `- ${note}`)],
  ];
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join("\n")}\n`)
    .join("\n");
}

const BEGIN = "<!-- written by `npm run bench`: do not edit -->";
const END = "<!-- end of what is written -->";

/** The page with these tables in place of older ones. */
export function replaceTables(page: string, tables: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new AppError("PAGE_UNMARKED", "the page has no place for the tables");
  return `${before}${BEGIN}\n\n${tables}\n${END}${after}`;
}

function comparisonTable(comparisons: readonly Comparison[]): string[] {
  return [
    "| what | peer | petrify | peer's | ratio of pairs | goal | reached |",
    "|---|---|---|---|---|---|---|",
    ...comparisons.map((comparison) => {
      const { title, peer, ours, theirs, goal } = comparison;
      const ratio = pairRatios(ours, theirs);
      const ratios = `${ratio.median.toFixed(2)}${ours.length > 1 ? ` (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})` : ""}`;
      const aim = [
        ...(goal?.ratio === undefined ? [] : [`≤ ${goal.ratio.toFixed(2)}`]),
        ...(goal?.seconds === undefined ? [] : [`≤ ${goal.seconds} s`]),
      ].join(" and ");
      return `| ${[title, peer, range(ours), range(theirs), ratios, aim, goal ? (isReached(comparison) ? "yes" : "no") : ""].join(" | ")} |`;
    }),
  ];
}

/** By the medians: a goal is not reached because one run was lucky. */
export function isReached({ ours, theirs, goal }: Comparison): boolean {
  const { ratio = Infinity, seconds: most = Infinity } = goal ?? {};
  return pairRatios(ours, theirs).median <= ratio && spread(ours).median <= most;
}

function stageTable(stages: readonly BootStages[]): string[] {
  return [
    "| side | kernel starts | init starts | multi-user |",
    "|---|---|---|---|",
    ...stages.map(
      ({ side, kernel, init, multiUser }) => `| ${[side, range(kernel), range(init), range(multiUser)].join(" | ")} |`,
    ),
  ];
}

function countTable(comparisons: readonly CountComparison[]): string[] {
  const sides = [...new Set(comparisons.flatMap(({ counts }) => Object.keys(counts)))];
  return [
    `| what | ${sides.join(" | ")} |`,
    `|---|${sides.map(() => "---:|").join("")}`,
    ...comparisons.map(({ title, counts }) => `| ${[title, ...sides.map((side) => counts[side] ?? "")].join(" | ")} |`),
  ];
}

function sizeTable(comparisons: readonly SizeComparison[]): string[] {
  const sides = [...new Set(comparisons.flatMap(({ sizes }) => Object.keys(sizes)))];
  return [
    `| what | ${sides.join(" | ")} | goal | reached |`,
    `|---|${sides.map(() => "---|").join("")}---|---|`,
    ...comparisons.map(({ title, sizes, goal }) => {
      const cells = sides.map((side) => (sizes[side] === undefined ? "" : sizeText(sizes[side])));
      const ours = sizes[sides[0]!];
      return `| ${[title, ...cells, goal === undefined ? "" : `≤ ${sizeText(goal)}`, goal === undefined || ours === undefined ? "" : ours <= goal ? "yes" : "no"].join(" | ")} |`;
    }),
  ];
}

/** Decimal megabytes, as the goal is written, and the binary size. */
const sizeText = (bytes: Bytes): string => `${(bytes / 1e6).toFixed(1)} MB (${formatSize(bytes)})`;

/** Packages that only one of two lists has, as sentences. */
export function packageDifferences(side: string, theirs: readonly string[], ours: readonly string[]): string[] {
  const only = (a: readonly string[], b: readonly string[]): string => a.filter((name) => !b.includes(name)).join(", ");
  const more = only(theirs, ours);
  const less = only(ours, theirs);
  return [
    ...(more ? [`Only ${side} has: ${more}.`] : []),
    ...(less ? [`Only petrify (of these two, beside ${side}) has: ${less}.`] : []),
    ...(more || less ? [] : [`${side} has exactly petrify's ${ours.length} packages, in the same versions.`]),
  ];
}
