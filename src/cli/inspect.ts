import { resolve } from "node:path";
import { Option, type Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatDuration, formatSize } from "../core/units.ts";
import { openImage } from "../host/image-file.ts";
import { isMedium, readMediumDescription, type MediumDescription } from "../layout/medium.ts";
import { replaceFile } from "../host/replace-file.ts";
import { attackSurfaceOf } from "../inspect/attack-surface.ts";
import { diskReport, type DiskReport, type SlotReport, type StoredImage } from "../inspect/disk.ts";
import type { OpenedImage } from "../inspect/open-image.ts";
import { packagesOf } from "../inspect/packages.ts";
import { reportOf, type ImageReport } from "../inspect/report.ts";
import { SBOM_FORMATS, sbomOf, type SbomFormat } from "../inspect/sbom.ts";
import { FINDING_KINDS, type FindingKind } from "../layout/attack-surface/finding.ts";
import { BUILT_IN_CHECKS } from "../layout/health-plan.ts";
import { fullVersion, type Package } from "../layout/package.ts";
import { kindsOf, surfaceText } from "./attack-surface-text.ts";
import type { Cli, CliContext } from "./context.ts";
import { shown } from "./diff-text.ts";
import { inspectContextOf, openNamedImage } from "./inspect-context.ts";
import { UsageError } from "./output.ts";
import { unreadableFile } from "./unreadable-file.ts";
import { wrapped } from "./wrapped.ts";

interface InspectOptions {
  readonly packages?: boolean;
  readonly sbom?: SbomFormat;
  readonly output?: string;
  readonly attackSurface?: boolean;
  readonly all?: boolean;
  readonly only?: readonly FindingKind[];
  readonly failOn?: readonly FindingKind[];
}

export function registerInspect(program: Command, cli: Cli): void {
  program
    .command("inspect")
    .argument("<image>", "a system image, a raw disk, or an iso")
    .summary("say what a system image holds")
    .description(
      "Looks into a system image without mounting it: operating system, kernel, sizes, packages, what it\n" +
        "starts, who can log in, what persists, and the hashes it boots by. With --sbom, prints a software\n" +
        "bill of materials instead, which is the same for the same image; with --attack-surface, what\n" +
        "somebody who attacks a machine would find. Of a disk (raw), says what lies in its slots; of an iso,\n" +
        "what it installs.",
    )
    .option("--packages", "list every package with its version")
    .addOption(
      new Option("--sbom <format>", "print a bill of materials: SPDX 2.3 or CycloneDX 1.6, as JSON").choices(SBOM_FORMATS),
    )
    .option("-o, --output <file>", "write the bill of materials to this file")
    .option("--attack-surface", "count and list what somebody who attacks a machine would find")
    .option("--all", "of the attack surface, list every finding")
    .option("--only <kinds>", "of the attack surface, show these kinds only: names of --json, with commas", kindsOf)
    .option("--fail-on <kinds>", "end with 1 when the attack surface has anything of these kinds", kindsOf)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify inspect out/my-os-0.1.0.img\n  petrify inspect out/my-os-0.1.0.img --packages\n" +
        "  petrify inspect out/my-os-0.1.0.img --json | jq .value.users\n" +
        "  petrify inspect out/my-os-0.1.0.img --sbom spdx -o my-os.spdx.json\n" +
        "  petrify inspect out/my-os-0.1.0.img --attack-surface --fail-on shell,setuid",
    )
    .action(cli.action(inspect));
}

async function inspect(context: CliContext, file: string, options: InspectOptions): Promise<void> {
  if (options.output !== undefined && !options.sbom) {
    throw new UsageError("USAGE", "--output is where a bill of materials goes", {
      hint: "Name its form: --sbom spdx or --sbom cyclonedx.",
    });
  }
  refuseStray(options);
  if (options.attackSurface) return await attackSurface(context, file, options);
  const medium = options.sbom || options.packages ? undefined : mediumNamed(file, context);
  if (medium) return context.output.result({ medium }, mediumText(medium));
  const disk = options.sbom || options.packages ? undefined : await diskNamed(file, context);
  if (disk) return context.output.result({ disk }, diskText(disk));
  await using image = await openNamedImage(file, context);
  if (options.sbom) return await bill(context, image, options.sbom, options.output);
  if (options.packages && !context.json) {
    const { packages } = await packagesOf(image, inspectContextOf(context));
    return context.output.result({ packages }, packageTable(packages));
  }
  const report = await reportOf(image, inspectContextOf(context));
  context.output.result(report, reportText(report));
}

/** @throws UsageError for options that say nothing together */
function refuseStray({ attackSurface: isAsked, all, only, failOn, sbom, packages }: InspectOptions): void {
  if (isAsked && (sbom || packages)) {
    const hint = "Ask for one at a time.";
    throw new UsageError("USAGE", "--attack-surface goes with neither --packages nor --sbom", { hint });
  }
  if (!isAsked && (all || only || failOn)) {
    const hint = "Add --attack-surface.";
    throw new UsageError("USAGE", "--all, --only and --fail-on are about the attack surface", { hint });
  }
}

async function attackSurface(
  context: CliContext,
  file: string,
  { all = false, only = FINDING_KINDS, failOn = [] }: InspectOptions,
): Promise<void> {
  await using image = await openNamedImage(file, context);
  const surface = await attackSurfaceOf(image, inspectContextOf(context));
  const findings = surface.findings.filter(({ kind }) => only.includes(kind));
  context.output.result(
    { ...surface, findings },
    surfaceText(
      surface,
      FINDING_KINDS.filter((kind) => only.includes(kind)),
      all,
    ),
  );
  if (failOn.some((kind) => surface.counts[kind] > 0)) context.endWith(1);
}

function mediumNamed(file: string, context: CliContext): MediumDescription | undefined {
  const path = resolve(context.cwd, file);
  try {
    using opened = openImage(path);
    return isMedium(opened.read) ? readMediumDescription(opened.read) : undefined;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw unreadableFile(path, error);
  }
}

const mediumText = ({ name, version, id, memory, smallestDisk }: MediumDescription): string =>
  [
    ["medium", id],
    ["image", `${name} ${version}`],
    ["memory", `${formatSize(memory)}, at least`],
    ["installs to", `disks of ${formatSize(smallestDisk)} and more`],
  ]
    .map(([key, value]) => `${key!.padEnd(INDENT - 1)} ${shown(value!)}`)
    .join("\n");

async function diskNamed(file: string, context: CliContext): Promise<DiskReport | undefined> {
  const path = resolve(context.cwd, file);
  return await diskReport(path, inspectContextOf(context)).catch((cause: unknown) => {
    throw unreadableFile(path, cause);
  });
}

function diskText({ size, guid, slots, recovery, notes }: DiskReport): string {
  const imageText = (image: StoredImage | undefined): string =>
    image ? `${image.name} ${image.version}, kernel ${image.kernel}` : "no image that can be read";
  const slotText = ({ state, active, image, asRecorded }: SlotReport): string => {
    const words = [state, ...(active ? ["active"] : []), ...(asRecorded === false ? ["not the image of the boot record"] : [])];
    return state === "empty" ? "empty" : `${imageText(image)} (${words.join(", ")})`;
  };
  const rows = {
    disk: `${formatSize(size)}, ${guid}`,
    "slot a": slotText(slots.a),
    "slot b": slotText(slots.b),
    recovery: imageText(recovery.image),
  };
  const lines = [...Object.entries(rows), ...notes.map((note) => ["note", note] as const)];
  return lines.map(([key, value]) => `${key.padEnd(INDENT - 1)} ${wrapped(shown(value), INDENT)}`).join("\n");
}

async function bill(context: CliContext, image: OpenedImage, format: SbomFormat, file?: string): Promise<void> {
  const document = await sbomOf(image, format, inspectContextOf(context));
  if (file === undefined) return context.output.result(document, JSON.stringify(document, undefined, 2));
  const path = resolve(context.cwd, file);
  await replaceFile(path, `${JSON.stringify(document, undefined, 2)}\n`);
  context.output.result({ path, format }, path);
}

const INDENT = 15;

/** At most 80 columns, except for words that are longer. */
function reportText(report: ImageReport): string {
  const { manifest, os, files, packages, databases, units, users, persistent, health, recovery } = report;
  const { sizes } = manifest;
  const kinds = [...new Set(databases.map(({ kind }) => kind))].join(", ");
  const logins = users.filter(({ login }) => login.length > 0);
  const checks = [
    ...BUILT_IN_CHECKS.filter((name) => name !== "failed-units" || health.failedUnits),
    ...health.checks.map(({ name }) => name),
  ];
  const starts = [...new Set(units.enabled.map(({ name }) => name))];
  const rows: readonly (readonly [string, string])[] = [
    ["image", `${manifest.name} ${manifest.version}`],
    ["system", os["PRETTY_NAME"] ?? os["NAME"] ?? "unknown"],
    ["kernel", `${manifest.kernel} (${manifest.architecture})`],
    ["init", report.init],
    ["packages of", new Date(manifest.created * 1000).toISOString().slice(0, 10)],
    ["packages", packages.length === 0 ? "none known" : `${packages.length} (${kinds})`],
    [
      "size",
      `${formatSize(sizes.image)}: root ${formatSize(sizes.root)}, boot ${formatSize(sizes.boot)}, hash tree ${formatSize(sizes.rootVerity)}`,
    ],
    ["files", `${files.count}, ${formatSize(files.bytes)}`],
    ["privileged", files.privileged.length === 0 ? "none" : files.privileged.map(shown).join(" ")],
    ["starts", starts.length === 0 ? "nothing by itself" : starts.map(shown).join(" ")],
    [
      "log in",
      logins.length === 0 ? "nobody" : logins.map(({ name, login }) => `${shown(name)} (${login.join(", ")})`).join(", "),
    ],
    ["persistent", persistent.map(shown).join(" ") || "nothing"],
    ["health", `${checks.map(shown).join(" ")}; within ${formatDuration(health.deadlineSeconds)}, else ${health.onFailure}`],
    ["trusts", trustText(report)],
    ["recovery", `tries after ${recovery.afterSeconds.map(formatDuration).join(", ")}`],
    ["command line", shown(report.commandLine)],
    ["root hash", manifest.rootHash],
    ["manifest", report.digest],
    ["signature", "unsigned"],
  ];
  const lines = rows.map(([key, value]) => `${key.padEnd(INDENT - 1)} ${wrapped(value, INDENT)}`);
  return [...lines, ...report.notes.map((note) => `${"note".padEnd(INDENT - 1)} ${wrapped(note, INDENT)}`)].join("\n");
}

function trustText({ trust }: ImageReport): string {
  if (!trust) return "no keys: releases need no signature";
  const ids = trust.keys.map(({ id, revoked }) => `${id.slice(0, 12)}${revoked === undefined ? "" : " (revoked)"}`);
  return `${ids.join(", ")}; epoch ${trust.epoch}`;
}

function packageTable(packages: readonly Package[]): string {
  const rows = packages.map((one) => [one.name, fullVersion(one), one.architecture]);
  const widths = [0, 1].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  return rows.map(([name, version, arch]) => `${name!.padEnd(widths[0]!)}  ${version!.padEnd(widths[1]!)}  ${arch}`).join("\n");
}
