import type { Command } from "commander";
import { formatSize } from "../core/units.ts";
import { diffImages, type Change, type FileChange, type ImageDiff, type Names } from "../inspect/diff.ts";
import { attackSurfaceOf, type AttackSurface } from "../inspect/attack-surface.ts";
import type { OpenedImage } from "../inspect/open-image.ts";
import { compareSurfaces } from "../layout/attack-surface/compare.ts";
import { FINDING_KINDS, type Finding, type FindingKind } from "../layout/attack-surface/finding.ts";
import { kindsOf, surfaceDiffText } from "./attack-surface-text.ts";
import type { Cli, CliContext } from "./context.ts";
import { shown } from "./diff-text.ts";
import { inspectContextOf, openNamedImage } from "./inspect-context.ts";
import { UsageError } from "./output.ts";

interface DiffImageOptions {
  readonly files?: boolean;
  readonly exitCode?: boolean;
  readonly attackSurface?: boolean;
  readonly all?: boolean;
  readonly only?: readonly FindingKind[];
  readonly failOnGrowth?: boolean;
}

export function registerDiffImage(program: Command, cli: Cli): void {
  program
    .command("diff-image")
    .argument("<from>", "a system image")
    .argument("<to>", "another one")
    .summary("say what differs between two system images")
    .description(
      "Compares two system images without mounting them: packages, files (type, mode, owner, content,\n" +
        "extended attributes), units that start, users, kernel and command line, persistent folders, health\n" +
        "and recovery plans, sizes. Changed files of /etc are listed, others counted by folder. With\n" +
        "--attack-surface, says instead what somebody who attacks a machine would find in one and not in\n" +
        "the other.",
    )
    .option("--files", "list every file that differs")
    .option("--exit-code", "end with 1 when anything differs")
    .option("--attack-surface", "compare what somebody who attacks a machine would find")
    .option("--all", "of the attack surface, list everything that differs")
    .option("--only <kinds>", "of the attack surface, compare these kinds only: names of --json, with commas", kindsOf)
    .option("--fail-on-growth", "end with 1 when the attack surface has something that it had not")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify diff-image my-os-0.1.0.img out/my-os-0.2.0.img\n" +
        "  petrify diff-image my-os-0.1.0.img out/my-os-0.2.0.img --files\n" +
        "  petrify diff-image a.img b.img --json | jq .value.packages\n" +
        "  petrify diff-image a.img b.img --attack-surface --only setuid,capability --fail-on-growth",
    )
    .action(cli.action(diffImage));
}

async function diffImage(context: CliContext, from: string, to: string, options: DiffImageOptions): Promise<void> {
  const { files = false, exitCode = false } = options;
  refuseStray(options);
  await using a = await openNamedImage(from, context);
  await using b = await openNamedImage(to, context);
  if (options.attackSurface) return await diffSurfaces(context, a, b, options);
  const diff = await context.progress.step("compare the images", async () => await diffImages(a, b, inspectContextOf(context)));
  context.output.result(diff, diff.same ? "Nothing differs." : diffText(diff, files));
  if (exitCode && !diff.same) context.endWith(1);
}

/** @throws UsageError for options that say nothing together */
function refuseStray({ attackSurface, all, only, failOnGrowth, files }: DiffImageOptions): void {
  if (attackSurface && files) {
    const hint = "Ask for one at a time.";
    throw new UsageError("USAGE", "--files is not about the attack surface", { hint });
  }
  if (!attackSurface && (all || only || failOnGrowth)) {
    const hint = "Add --attack-surface.";
    throw new UsageError("USAGE", "--all, --only and --fail-on-growth are about the attack surface", { hint });
  }
}

async function diffSurfaces(
  context: CliContext,
  a: OpenedImage,
  b: OpenedImage,
  { all = false, only = FINDING_KINDS, failOnGrowth = false, exitCode = false }: DiffImageOptions,
): Promise<void> {
  const [before, after] = await context.progress.step("compare the attack surfaces", async () => [
    await attackSurfaceOf(a, inspectContextOf(context)),
    await attackSurfaceOf(b, inspectContextOf(context)),
  ]);
  const asked = ({ findings }: AttackSurface): readonly Finding[] => findings.filter(({ kind }) => only.includes(kind));
  const diff = compareSurfaces(asked(before), asked(after));
  const counts = { from: before.counts, to: after.counts };
  context.output.result({ ...diff, counts }, surfaceDiffText(diff, counts, all));
  const differs = diff.grew || diff.removed.length > 0;
  if ((failOnGrowth && diff.grew) || (exitCode && differs)) context.endWith(1);
}

const SIZES: ReadonlySet<string> = new Set(["size", "root", "boot", "files"]);

function diffText(diff: ImageDiff, all: boolean): string {
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ["image", Object.entries(diff.facts).map(([key, change]) => `~ ${key}: ${changeText(key, change)}`)],
    ["packages", packageLines(diff.packages)],
    ["units", nameLines(diff.units)],
    ["masked units", nameLines(diff.masked)],
    ["users", nameLines(diff.users)],
    ["persistent", nameLines(diff.persistent)],
    ["command line", nameLines(diff.commandLine)],
    ["health plan", planLines(diff.health)],
    ["recovery plan", planLines(diff.recovery)],
    ["files", fileLines(diff.files, all)],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => [`${title}:`, ...lines.map((line) => `  ${line}`)].join("\n"))
    .join("\n");
}

function changeText(key: string, change: Change): string {
  const [from, to] = change.map((value) => {
    if (typeof value !== "number") return shown(value ?? "none");
    if (key === "created") return new Date(value * 1000).toISOString().slice(0, 10);
    return SIZES.has(key) ? formatSize(value) : String(value);
  });
  if (from !== to) return `${from} → ${to}`;
  return `${change.map(String).join(" → ")}${SIZES.has(key) ? " bytes" : ""}`;
}

const nameLines = ({ added, removed }: Names): string[] => [
  ...removed.map((name) => `- ${shown(name)}`),
  ...added.map((name) => `+ ${shown(name)}`),
];
const planLines = (change: Change<object> | undefined): string[] =>
  change ? [`- ${JSON.stringify(change[0])}`, `+ ${JSON.stringify(change[1])}`] : [];
const packageLines = ({ added, removed, changed }: ImageDiff["packages"]): string[] => [
  ...nameLines({ added, removed }),
  ...changed.map(({ name, from, to }) => `~ ${shown(name)} ${shown(from)} → ${shown(to)}`),
];

function fileLines({ added, removed, changed }: ImageDiff["files"], all: boolean): string[] {
  const lines = [
    ...removed.map(({ path }) => ({ path, mark: "-", text: `- ${shown(path)}` })),
    ...added.map(({ path }) => ({ path, mark: "+", text: `+ ${shown(path)}` })),
    ...changed.map((one) => ({ path: one.path, mark: "~", text: `~ ${fileText(one)}` })),
  ].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  if (all) return lines.map(({ text }) => text);
  const counts = new Map<string, Record<string, number>>();
  for (const { path, mark } of lines.filter((line) => !isConfig(line.path))) {
    const folder = path.split("/").slice(0, 4).slice(0, -1).join("/") || "/";
    const count = counts.get(folder) ?? {};
    count[mark] = (count[mark] ?? 0) + 1;
    counts.set(folder, count);
  }
  const words = { "-": "removed", "+": "added", "~": "changed" };
  return [
    ...lines.filter(({ path }) => isConfig(path)).map(({ text }) => text),
    ...[...counts].map(([folder, count]) => {
      const parts = Object.entries(words).flatMap(([mark, word]) => (count[mark] ? [`${count[mark]} ${word}`] : []));
      return `${shown(folder)}: ${parts.join(", ")}`;
    }),
  ];
}

const isConfig = (path: string): boolean => path.startsWith("/etc/");

/** `/etc/app.conf  (mode 0644 → 0600, content)` */
function fileText({ path, differs }: FileChange): string {
  const parts = Object.entries(differs).map(([what, change]) =>
    change === true ? what : `${what} ${change.map((value) => shown(String(value ?? "none"))).join(" → ")}`,
  );
  return `${shown(path)}  (${parts.join(", ")})`;
}
