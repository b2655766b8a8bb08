import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatSize, type Bytes } from "../core/units.ts";
import { openDirect } from "../host/direct-read.ts";
import { writingTo } from "../host/disk-full.ts";
import { flash } from "../host/flash.ts";
import { openFlashTarget } from "../host/flash-device.ts";
import { findTarget, isSameData, targetFacts } from "../host/flash-target.ts";
import { workDir } from "../host/work-dir.ts";
import { petrifyDiskOn } from "../inspect/petrify-disk.ts";
import { flashPlan } from "../layout/flash-plan.ts";
import { describeTarget, refusalsOf, type FlashTarget } from "../layout/flash-target.ts";
import { confirmDisk } from "./confirm-disk.ts";
import { toolsOf, type Cli, type CliContext } from "./context.ts";
import { kindOfFile, mediumFacts } from "./machine-options.ts";
import { phaseProgress } from "./phase-progress.ts";
import type { DiskFor } from "./run.ts";

interface FlashOptions {
  readonly wipe?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

const EXAMPLES = `
Examples:
  petrify flash out/my-os-0.1.0.raw /dev/sdb --dry-run
  petrify flash out/my-os-0.1.0.raw /dev/sdb
  petrify flash out/my-os-0.1.0.iso /dev/sdb               # an install medium
  petrify flash out/my-os-0.1.0.img usb-Example_Stick_0123-0:0 --wipe
  petrify flash out/my-os-0.1.0.raw serial:S4EVNX0M --wipe --yes --json`;

/** `petrify flash IMAGE DEVICE`. */
export function registerFlash(program: Command, cli: Cli, diskFor: DiskFor): void {
  program
    .command("flash")
    .summary("write an image to a disk of this machine")
    .description(
      "Writes a disk (raw, qcow2, vmdk or vhdx), a disk made of a system image, or an iso, to a disk or a\n" +
        "USB stick, and reads it back. What was on the disk is lost. Refuses disks that are in use, and those\n" +
        "that hold data unless told --wipe. Nothing boots from the disk until all of it is written and read back; after an\n" +
        "interruption, repeat the command. Writing to a device takes root, or its group.",
    )
    .argument("<image>", "disk, system image or iso, as `petrify build` writes them")
    .argument("<device>", "path, name in /dev/disk/by-id, serial:NUMBER or size:500G of the disk; or an existing file")
    .option("--wipe", "overwrite a disk that holds data")
    .option("-y, --yes", "do not ask")
    .option("--dry-run", "only say what would be written, and what speaks against it")
    .addHelpText("after", EXAMPLES)
    .action(
      cli.action(
        async (context, image: string, device: string, options: FlashOptions) =>
          await flashDisk(context, resolve(context.cwd, image), device, options, diskFor),
      ),
    );
}

async function flashDisk(
  context: CliContext,
  image: string,
  device: string,
  { wipe = false, yes = false, dryRun = false }: FlashOptions,
  diskFor: DiskFor,
): Promise<void> {
  const { output, run, cwd } = context;
  kindOfFile(image); // what is no image is said first
  const target = await known(await targetFacts(await findTarget(device, { run, cwd }), run));
  if (await isSameData(target.path, image)) {
    throw new AppError("DEVICE_IS_IMAGE", `${target.path} is the image itself`, {
      hint: "Name the disk that it is to be written to.",
    });
  }
  if (!dryRun) refuse(target, { needed: 0, wipe }); // before work is put into unpacking
  await using source = await rawOf(context, image, diskFor);
  const refusals = refusalsOf(target, { needed: source.size, wipe });
  const facts = { image, target, bytes: source.size };
  if (dryRun) {
    const lines = refusals.map(({ message, hint }) => `not done: ${message}\n          ${hint}`);
    const would = `would write ${formatSize(source.size)} of ${image} to ${describeTarget(target)}`;
    return output.result({ ...facts, refusals, changed: false }, [would, ...lines].join("\n"));
  }
  refuse(target, { needed: source.size, wipe });
  if (!yes) await confirmDisk({ ...context, input: context.terminal.input }, target);
  const medium = kindOfFile(image) === "medium" ? mediumFacts(image) : undefined;
  const name = medium ? `${medium.name} ${medium.version}, an install medium` : await petrifyDiskOn(source.path);
  const seconds = await writeDisk(context, source, target);
  const speed = seconds > 0 ? `, ${formatSize(Math.round(source.size / seconds))}/s` : "";
  const done = `${target.path} holds ${name ?? basename(image)}: ${formatSize(source.size)} written and read back in ${seconds} s${speed}.`;
  const boots = medium
    ? "It boots on BIOS and UEFI. A machine config goes onto its partition PETRIFY, as machine.yaml."
    : "It boots on BIOS and UEFI, and grows into the whole disk at its first boot.";
  output.result({ ...facts, seconds, changed: true }, name === undefined ? done : `${done}\n${boots}`);
}

/** What petrify itself can say about a disk comes first. */
async function known(target: FlashTarget): Promise<FlashTarget> {
  if (target.found.length === 0) return target;
  const name = await petrifyDiskOn(target.path);
  return name === undefined ? target : { ...target, found: [name, ...target.found] };
}

/** @throws AppError with the first reason against it */
function refuse(target: FlashTarget, how: { readonly needed: Bytes; readonly wipe: boolean }): void {
  const [first] = refusalsOf(target, how);
  if (first) throw new AppError(first.code, first.message, { hint: first.hint });
}

/** The image as a raw disk: itself, or made of it for the length of the scope. */
async function rawOf(
  context: CliContext,
  image: string,
  diskFor: DiskFor,
): Promise<Awaited<ReturnType<typeof openDirect>> & { readonly path: string }> {
  const { cacheFolder, caller, run, progress, signal } = context;
  const kind = kindOfFile(image);
  if (kind === "raw" || kind === "medium") return { ...(await openDirect(image)), path: image };
  const tools = await toolsOf(context);
  await using cleanup = new AsyncDisposableStack();
  const folder = join(cacheFolder, "work");
  const work = cleanup.use(await workDir(folder, caller, run));
  const path = join(work.path, "disk.raw");
  await writingTo(folder, async () => {
    if (kind === "system-image") return await diskFor(image, path, tools, context);
    await progress.step(`unpack the ${kind} disk`, async () => {
      const binds = [{ source: image }, { source: work.path, writable: true }];
      await tools.run(["qemu-img", "convert", "-f", kind, "-O", "raw", image, path], { binds, signal });
    });
  });
  const file = cleanup.use(await openDirect(path));
  const scope = cleanup.move();
  return { ...file, path, [Symbol.asyncDispose]: async () => await scope.disposeAsync() };
}

/** @returns how long it took, seconds */
async function writeDisk(
  { progress, output, clock, signal, json }: CliContext,
  source: { readonly path: string; readonly size: Bytes; readonly read: (at: Bytes, length: Bytes) => Promise<Uint8Array> },
  target: FlashTarget,
): Promise<number> {
  const { path, kind, size, sectorSize } = target;
  const plan = flashPlan(source.size, size, sectorSize);
  const title = `write ${kind === "file" ? basename(path) : path}`;
  const started = clock();
  await using device = await openFlashTarget(target);
  try {
    await progress.step(title, async (note) => {
      const progressed = phaseProgress({ title, output, clock, json, note });
      await flash({ ...{ source, path, device, plan, signal }, progress: progressed });
    });
  } catch (error) {
    const event = { type: "unfinished", path };
    output.event(event, `${path} is not whole: start no machine from it. It is safe to repeat the command.`);
    throw error;
  }
  return Math.round((clock() - started) / 100) / 10;
}
