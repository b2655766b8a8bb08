import { join, relative, resolve } from "node:path";
import type { Command } from "commander";
import { build } from "../build/build.ts";
import { copyFile, fileExists, makeFolder, walk } from "../host/files.ts";
import { workDir } from "../host/work-dir.ts";
import { kernelOf } from "../vm/bootable.ts";
import { chooseAccelerator } from "../vm/kvm.ts";
import { startVm, type Vm, type VmHost } from "../vm/vm.ts";
import { buildContextOf, type Cli, type CliContext } from "./context.ts";
import { makeHostReady } from "./host-ready.ts";
import { RECIPE_FILE, writeSchema } from "./init.ts";
import { firstBoot, proofEnd, readProof, requireAll, secondBoot, type Finding } from "./proof.ts";

const FOLDER = "petrify-quickstart";
/** Ten times what a boot under software emulation takes on an idle machine. */
const BOOT_LIMIT_MS = 300_000;

export function registerQuickstart(program: Command, cli: Cli): void {
  program
    .command("quickstart")
    .argument("[folder]", "where the example recipe and its image go", FOLDER)
    .summary("from nothing to an immutable OS that has shown what it is")
    .description(
      "Checks this host and installs what is missing (asks first), builds an image from Debian trixie, boots it in QEMU,\n" +
        "and shows that it is immutable: writes are refused, changes in /etc are gone after a reboot, /usr/local and /oem keep theirs.\n" +
        "The first time takes minutes, most of them downloads; the next ones reuse what is there.",
    )
    .option("-y, --yes", "install what is missing without asking")
    .addHelpText("after", "\nExamples:\n  petrify quickstart\n  petrify quickstart --yes /srv/first-image")
    .action(cli.action(quickstart));
}

async function quickstart(context: CliContext, folder: string, { yes = false }: { yes?: boolean }): Promise<void> {
  const { cwd, clock, output, cacheFolder } = context;
  const started = clock();
  await makeHostReady(context, yes);

  const at = resolve(cwd, folder);
  const recipePath = await writeExample(at);
  const buildContext = await buildContextOf(context);
  const request = { recipePath, outputs: ["disk"], formats: ["raw"], outDir: join(at, "out"), updateLock: false } as const;
  const { disk } = await build(request, buildContext);

  const { tools, caller, run, signal } = buildContext;
  const host: VmHost = { tools, caller, run, signal, folder: join(cacheFolder, "vm") };
  const findings = await prove(context, host, disk!);
  const seconds = Math.round((clock() - started) / 100) / 10;
  const way = relative(cwd, at).startsWith("..") ? at : relative(cwd, at) || ".";
  output.result({ disk, recipe: recipePath, findings, seconds }, farewell(way, disk!, cwd));
}

/** Copies the example to where it can be changed; what is there already is left as it is. @returns the recipe's path */
async function writeExample(folder: string): Promise<string> {
  const template = join(import.meta.dirname, "templates/quickstart");
  if (!(await fileExists(join(folder, RECIPE_FILE)))) await writeSchema(folder);
  for (const { path, kind } of await walk(template)) {
    const to = join(folder, path);
    if (kind === "folder") await makeFolder(to);
    else if (!(await fileExists(to))) await copyFile(join(template, path), to);
  }
  return join(folder, RECIPE_FILE);
}

/** Boots the disk twice and reads what the system in it reports. The disk's file is not changed. */
async function prove({ progress }: CliContext, host: VmHost, disk: string): Promise<readonly Finding[]> {
  await using work = await workDir(host.folder, host.caller, host.run);
  const choice = await progress.step("look whether KVM works here", async () => {
    return await chooseAccelerator(host, async () => await kernelOf(host.tools, disk, work.path, host.signal));
  });
  progress.note(`  ${choice.accelerator === "kvm" ? "yes" : "no, so QEMU emulates a processor"}: ${choice.reason}`);
  const options = { disks: [{ path: disk, format: "raw" }], accelerator: choice.accelerator, firmware: "uefi", cpus: 2 } as const;

  const first = await progress.step("boot it in QEMU, with UEFI", async (note) => {
    await using setup = new AsyncDisposableStack();
    const vm = setup.use(await startVm(host, options));
    const findings = await report(vm, 1, firstBoot, note);
    const owned = setup.move();
    return { vm, findings, [Symbol.asyncDispose]: async () => await owned.disposeAsync() };
  });
  await using machine = first;
  tell(progress, first.findings);
  const again = await progress.step("reset it, as a power cut does, and let it boot again", async (note) => {
    await machine.vm.qmp.execute("system_reset");
    return await report(machine.vm, 2, secondBoot, note);
  });
  tell(progress, again);
  return [...first.findings, ...again];
}

/** Waits for one boot's report; what the console shows meanwhile is what the step does now. */
async function report(
  vm: Vm,
  boot: number,
  judge: (proof: ReturnType<typeof readProof>) => Finding[],
  note: (text: string) => void,
): Promise<Finding[]> {
  vm.onConsole((text) => {
    const line = text.split("\n").findLast((part) => part.trim() !== "");
    if (line !== undefined) note(line);
  });
  await vm.waitForConsole(proofEnd(boot), { timeoutMs: BOOT_LIMIT_MS });
  const findings = judge(readProof(vm.consoleText(), boot));
  requireAll(findings);
  return findings;
}

function tell(progress: CliContext["progress"], findings: readonly Finding[]): void {
  for (const { what, outcome } of findings) progress.note(`  ${what.padEnd(26)} ${outcome}`);
}

function farewell(folder: string, disk: string, cwd: string): string {
  const path = relative(cwd, disk).startsWith("..") ? disk : relative(cwd, disk);
  return [
    "That was an immutable OS: its files are verified on every read, and nothing that runs in it can change them.",
    "Next:",
    `  petrify run ${path}`,
    '                              log in as root, password "petrify"; Ctrl-C ends the machine',
    `  edit ${join(folder, RECIPE_FILE)}, then petrify build ${folder} --output disk`,
    "                              add packages, files, units, users",
    "  petrify init my-os          begin a recipe of your own, with every key explained",
  ].join("\n");
}
