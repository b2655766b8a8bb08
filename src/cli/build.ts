import { dirname, join, relative, resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { build as buildImage, type BuildRequest, type BuildResult } from "../build/build.ts";
import { DISK_FORMATS, type DiskFormat } from "../build/disk-format.ts";
import { formatSize } from "../core/units.ts";
import { tagOfVersion } from "../layout/oci-image.ts";
import { fileExists, fileSize } from "../host/files.ts";
import { UsageError } from "./output.ts";
import { buildContextOf, type Cli, type CliContext } from "./context.ts";
import { RECIPE_FILE } from "./init.ts";

const OUTPUTS = ["image", "disk", "iso", "netboot", "container"] as const;
type OutputKind = (typeof OUTPUTS)[number];
interface BuildOptions {
  readonly output: readonly OutputKind[];
  readonly format: readonly DiskFormat[];
  readonly outDir?: string;
  readonly config?: string;
  readonly updateLock?: boolean;
}

export function registerBuild(program: Command, cli: Cli): void {
  program
    .command("build")
    .argument("[recipe]", "the recipe, or the folder it is in", RECIPE_FILE)
    .summary("make a system image, and a disk that boots it")
    .description(
      "Makes what the recipe describes. The same recipe, files and petrify.lock give the same system image, byte for byte;\n" +
        "the first build writes petrify.lock, and it belongs into version control with the recipe.",
    )
    .option("-o, --output <kinds>", "what to make, one or more of image, disk, iso, netboot, container", listOf(OUTPUTS), [
      "image",
    ] as const)
    .option("--format <formats>", "of the disk, one or more of raw, qcow2, vmdk, vhdx", listOf(DISK_FORMATS), ["raw"] as const)
    .option("--out-dir <folder>", 'where to put it (default: "out" beside the recipe)')
    .option("--config <file>", "machine config that goes onto the iso: whoever has the iso can read it")
    .option("--update-lock", "take the packages that the archive has today, and lock those")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify build                                 # petrify.yaml here → out/NAME-VERSION.img\n" +
        "  petrify build my-os --output disk             # a disk for BIOS and UEFI: out/NAME-VERSION.raw\n" +
        "  petrify build --output image,disk --format qcow2,vmdk\n" +
        "  petrify build --output iso                    # an install medium, CD or USB stick: out/NAME-VERSION.iso\n" +
        "  petrify build --output iso --config node.yaml # one that installs as node.yaml says\n" +
        "  petrify build --output netboot                # kernel and initrd that hold the whole OS: out/NAME-VERSION.netboot/\n" +
        "  petrify build --output container              # the same OS for podman and scanners: out/NAME-VERSION.oci/\n" +
        "  petrify build --update-lock                   # with today's packages",
    )
    .action(cli.action(build));
}

/** Some of a few words, separated by commas, each once. */
const listOf =
  <Word extends string>(words: readonly Word[]) =>
  (text: string): Word[] => {
    const chosen = [...new Set(text.split(","))];
    if (!chosen.every((word) => (words as readonly string[]).includes(word))) {
      throw new InvalidArgumentError(`There are ${words.join(", ")}.`);
    }
    return chosen as Word[];
  };

async function build(context: CliContext, recipe: string, options: BuildOptions): Promise<void> {
  if (options.config !== undefined && !options.output.includes("iso")) {
    throw new UsageError("USAGE", "--config is what goes onto a medium", { hint: "Add --output iso." });
  }
  const recipePath = await findRecipe(resolve(context.cwd, recipe));
  const request: BuildRequest = {
    recipePath,
    outputs: options.output,
    formats: options.format,
    outDir: options.outDir === undefined ? join(dirname(recipePath), "out") : resolve(context.cwd, options.outDir),
    config: options.config === undefined ? undefined : resolve(context.cwd, options.config),
    updateLock: options.updateLock === true,
  };
  const result = await buildImage(request, await buildContextOf(context));
  context.output.result(result, await describe(result, context.cwd));
}

/** A folder stands for the recipe in it. */
async function findRecipe(path: string): Promise<string> {
  const inside = join(path, RECIPE_FILE);
  return (await fileExists(inside)) ? inside : path;
}

async function describe(
  { image, disk, disks, iso, netboot, memory = 0, container, smallestDisk, manifest }: BuildResult,
  cwd: string,
): Promise<string> {
  const lines: string[] = [];
  const files = [["image", image] as const, ...disks.map((each) => ["disk", each] as const), ["iso", iso] as const];
  for (const [kind, path] of files) {
    if (path !== undefined) lines.push(`${kind.padEnd(6)} ${nearer(cwd, path)}  ${formatSize(await fileSize(path))}`);
  }
  if (netboot !== undefined) lines.push(`netboot ${nearer(cwd, netboot)}/`);
  if (memory > 0) lines.push(`A machine that boots it from memory needs ${formatSize(memory)}.`);
  if (container !== undefined)
    lines.push(
      `container ${nearer(cwd, container)}/  try: podman run oci:${nearer(cwd, container)}:${tagOfVersion(manifest.version)}`,
    );
  lines.push(`The smallest disk it fits on: ${formatSize(smallestDisk)}.`);
  const next = disk ?? image ?? iso;
  if (next !== undefined) lines.push(`Next: petrify run ${nearer(cwd, next)}`);
  return lines.join("\n");
}

/** As short as it can be typed. */
function nearer(cwd: string, path: string): string {
  const way = relative(cwd, path);
  return way.startsWith("..") ? path : way;
}
