import { dirname, join, relative, resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { build as buildImage, type BuildRequest, type BuildResult } from "../build/build.ts";
import { formatSize } from "../core/units.ts";
import { memoryForImage } from "../layout/netboot.ts";
import { fileExists, fileSize } from "../host/files.ts";
import { buildContextOf, type Cli, type CliContext } from "./context.ts";
import { RECIPE_FILE } from "./init.ts";

const OUTPUTS = ["image", "disk", "netboot"] as const;
type OutputKind = (typeof OUTPUTS)[number];
interface BuildOptions {
  readonly output: readonly OutputKind[];
  readonly format: "raw" | "qcow2";
  readonly outDir?: string;
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
    .option("-o, --output <kinds>", "what to make, one or more of image, disk, netboot", parseOutputs, ["image"] as const)
    .addOption(new Option("--format <format>", "of the disk").choices(["raw", "qcow2"]).default("raw"))
    .option("--out-dir <folder>", 'where to put it (default: "out" beside the recipe)')
    .option("--update-lock", "take the packages that the archive has today, and lock those")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify build                                 # petrify.yaml here → out/NAME-VERSION.img\n" +
        "  petrify build my-os --output disk             # a disk for BIOS and UEFI: out/NAME-VERSION.raw\n" +
        "  petrify build --output image,disk --format qcow2\n" +
        "  petrify build --output netboot                # kernel and initrd that hold the whole OS: out/NAME-VERSION.netboot/\n" +
        "  petrify build --update-lock                   # with today's packages",
    )
    .action(cli.action(build));
}

function parseOutputs(text: string): OutputKind[] {
  const kinds = [...new Set(text.split(","))];
  const unknown = kinds.find((kind) => !OUTPUTS.includes(kind as OutputKind));
  if (unknown !== undefined) throw new InvalidArgumentError(`There are ${OUTPUTS.join(", ")}.`);
  return kinds as OutputKind[];
}

async function build(context: CliContext, recipe: string, options: BuildOptions): Promise<void> {
  const recipePath = await findRecipe(resolve(context.cwd, recipe));
  const request: BuildRequest = {
    recipePath,
    outputs: options.output,
    format: options.format,
    outDir: options.outDir === undefined ? join(dirname(recipePath), "out") : resolve(context.cwd, options.outDir),
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

async function describe({ image, disk, netboot, smallestDisk, manifest }: BuildResult, cwd: string): Promise<string> {
  const lines: string[] = [];
  for (const [kind, path] of Object.entries({ image, disk })) {
    if (path !== undefined) lines.push(`${kind.padEnd(6)} ${nearer(cwd, path)}  ${formatSize(await fileSize(path))}`);
  }
  if (netboot !== undefined) {
    const memory = formatSize(memoryForImage(manifest.sizes.image));
    lines.push(`netboot ${nearer(cwd, netboot)}/  for machines with ${memory} of memory or more`);
  }
  lines.push(`The smallest disk it fits on: ${formatSize(smallestDisk)}.`);
  const next = disk ?? image;
  if (next !== undefined) lines.push(`Next: petrify run ${nearer(cwd, next)}`);
  return lines.join("\n");
}

/** As short as it can be typed. */
function nearer(cwd: string, path: string): string {
  const way = relative(cwd, path);
  return way.startsWith("..") ? path : way;
}
