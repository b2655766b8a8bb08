import { join, resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatDuration, type Bytes, type Seconds } from "../core/units.ts";
import { writeText } from "../host/files.ts";
import type { Tools } from "../host/tools.ts";
import { wait } from "../host/wait.ts";
import { workDir } from "../host/work-dir.ts";
import { AGENT_PORT } from "../layout/agent-channel.ts";
import { agentOf, type VmAgent } from "../vm/agent-client.ts";
import { requireMemory } from "../vm/host-memory.ts";
import { startVm, type Vm, type VmHost } from "../vm/vm.ts";
import { toolsOf, type Cli, type CliContext } from "./context.ts";
import { CASES, planCases, runCases, type CaseName, type CaseResult, type Evidence } from "./image-test/cases.ts";
import { junitXml, reportText, type TestReport } from "./image-test/report.ts";
import { runCase, statusOf, type Subject } from "./image-test/subject.ts";
import { acceleratorFor, DEFAULT_MEMORY, kindOfFile, memorySize, processors, timeLimit } from "./machine-options.ts";

/** What an image says of itself; `digest`: SHA-256 of its manifest. */
interface ImageFacts {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
}
/** Makes a disk with the old image in slot a, as a raw file at `output`. */
export type TestDiskFor = (
  images: { readonly from: string; readonly image: string },
  output: string,
  tools: Tools,
  context: CliContext,
) => Promise<{ readonly from: ImageFacts; readonly image: ImageFacts }>;

interface TestOptions {
  readonly from?: string;
  readonly case?: readonly CaseName[];
  readonly timeout: Seconds;
  readonly junit?: string;
  readonly uefi?: boolean;
  readonly memory: Bytes;
  readonly cpus: number;
  readonly kvm?: boolean;
}

const DEFAULT_TIMEOUT: Seconds = 900;
const TITLES: Readonly<Record<CaseName, string>> = {
  boot: "the machine boots, and becomes healthy",
  upgrade: "it is upgraded, and becomes healthy",
  rollback: "it is rolled back, and becomes healthy",
  fallback: "an upgrade never becomes healthy, and is left again",
};
/** More than systemd says when it stops: what comes before that matters. */
const CONSOLE_LINES = 500;
/** How long a machine that has failed is asked for the log of its last boot. */
const EVIDENCE_MS = 20_000;
/** The second disk as udev names it, and as the kernel does: now and then the other way round. */
const PATHS = ["/dev/disk/by-id/virtio-petrify1", "/dev/vdb", "/dev/vda"] as const;

const EXAMPLES = `
Cases, in this order, on one machine; one that fails leaves the later ones out:
  boot      the old image boots in slot a, and passes its health checks
  upgrade   the image is written to slot b, boots, passes its health checks, and is proven
  rollback  slot a runs again
  fallback  an upgrade whose every boot is cut off before it is healthy is left by itself, and the history says why
A case that another one needs is run as well. Without --from the image is upgraded to itself.

Examples:
  petrify test out/my-os-0.2.0.img
  petrify test out/my-os-0.2.0.img --from my-os-0.1.0.img --junit report.xml
  petrify test out/my-os-0.2.0.img --case upgrade --uefi --json`;

/** `petrify test IMAGE`. */
export function registerTestImage(program: Command, cli: Cli, diskFor: TestDiskFor): void {
  program
    .command("test")
    .summary("boot, upgrade, roll back and fail an image in a virtual machine")
    .description(
      "Proves in a virtual machine that an image can be rolled out: that it boots and is healthy by its own checks, that a machine with\n" +
        "the old image can be upgraded to it and rolled back, and that one on which it fails goes back by itself.\n" +
        "It asks the machine's agent, and needs nothing else of the image: no shell, no network. Exit code 1: a case has failed.",
    )
    .argument("<image>", "the system image to test")
    .option("--from <image>", "the system image that the machine has before (default: the same)")
    .addOption(new Option("--case <name>", `only this one, of ${CASES.join(", ")}; repeatable`).argParser(caseName))
    .addOption(
      new Option("--timeout <time>", "how long one case may take, e.g. 90s, 20min")
        .argParser(timeLimit)
        .default(DEFAULT_TIMEOUT, "15min"),
    )
    .option("--junit <file>", "write the results as JUnit XML, too")
    .option("--uefi", "boot with UEFI firmware instead of BIOS")
    .addOption(
      new Option("--memory <size>", "memory of the machine, e.g. 512MiB").argParser(memorySize).default(DEFAULT_MEMORY, "1GiB"),
    )
    .option("--cpus <number>", "processors of the machine", processors, 1)
    .addOption(new Option("--kvm", "use KVM without trying it first"))
    .addOption(new Option("--no-kvm", "use software emulation"))
    .addHelpText("after", EXAMPLES)
    .action(
      cli.action(async (context, image: string, options: TestOptions) => await testImage(context, image, options, diskFor)),
    );
}

async function testImage(context: CliContext, file: string, options: TestOptions, diskFor: TestDiskFor): Promise<void> {
  const { output, signal, caller, run, cwd } = context;
  const path = systemImage(resolve(cwd, file));
  const from = options.from === undefined ? path : systemImage(resolve(cwd, options.from));
  await requireMemory(options.memory);

  const tools = await toolsOf(context);
  const host: VmHost = { tools, caller, run, folder: join(context.cacheFolder, "vm"), signal };
  await using work = await workDir(host.folder, caller, run);
  const { accelerator, reason } = await acceleratorFor(host, options.kvm, from, work.path);
  const disk = join(work.path, "disk.raw");
  const facts = await diskFor({ from, image: path }, disk, tools, context);
  const firmware = options.uefi ? "uefi" : "bios";
  const name = accelerator === "kvm" ? "KVM" : "software emulation";
  const started = { type: "started", accelerator, reason, firmware, ...facts };
  output.event(started, `running on ${name}: ${reason}`);

  await using vm = await startVm(host, {
    ...{ accelerator, firmware, cpus: options.cpus, memory: options.memory, ports: [AGENT_PORT] },
    disks: [
      { path: disk, format: "raw" },
      { path, format: "raw", readOnly: true },
    ],
  });
  const cases = await runOn(context, vm, facts, options);
  const report: TestReport = {
    image: { ...facts.image, path },
    from: { ...facts.from, path: from },
    machine: { accelerator, firmware },
    cases,
  };
  if (options.junit !== undefined) await writeJunit(resolve(cwd, options.junit), report);
  output.result(report, reportText(report));
  const failed = cases.find(({ outcome }) => outcome === "failed");
  if (failed) throw new AppError("TEST_FAILED", `${facts.image.name} ${facts.image.version} has failed: ${failed.name}`);
}

async function runOn(
  { progress, clock, signal }: CliContext,
  vm: Vm,
  { from, image }: { readonly from: ImageFacts; readonly image: ImageFacts },
  { case: chosen = [], timeout }: TestOptions,
): Promise<CaseResult[]> {
  const agent = agentOf(vm);
  let lastReset = 0;
  vm.onEvent(({ event }) => {
    if (event === "RESET") lastReset = vm.consoleText().length;
  });
  const run = async (name: CaseName): Promise<string> =>
    await progress.step(`${name}: ${TITLES[name]}`, async (show) => {
      let doing = "nothing yet";
      const note = (text: string): void => show((doing = text));
      using late = limit(timeout * 1000, () => {
        return new AppError("TEST_TIMEOUT", `it was not done after ${formatDuration(timeout)}; the last thing was: ${doing}`);
      });
      const subject: Subject = {
        ...{ agent, image, note, paths: PATHS, isSame: from.digest === image.digest },
        reset: async () => void (await vm.qmp.execute("system_reset")),
      };
      return await runCase(name, subject, AbortSignal.any([signal, late.signal]));
    });
  const evidence = async (failure: AppError): Promise<Evidence> => {
    progress.note(`  ${failure.message}`);
    const said = vm.consoleText();
    // What failed is over, and the next boot tells nothing of it.
    const failed = failure.code === "FELL_BACK" ? said.slice(0, lastReset) : said;
    const console = failed.trimEnd().split("\n").slice(-CONSOLE_LINES).join("\n");
    using late = limit(EVIDENCE_MS, () => new AppError("TEST_TIMEOUT", "the agent does not answer"));
    const log = await failedBootLog(agent, AbortSignal.any([signal, late.signal])).catch(() => undefined);
    return { console, ...(log ? { log } : {}) };
  };
  return await runCases(planCases(chosen), { run, evidence, clock, signal });
}

/** As soon as the agent has found it. @returns nothing where no boot has failed */
async function failedBootLog(agent: VmAgent, signal: AbortSignal): Promise<Evidence["log"]> {
  for (;;) {
    const { failedBoots } = await statusOf({ agent }, signal);
    const end = failedBoots[0]?.end;
    if (!end || end.log) return end?.log;
    await wait(1000, signal);
  }
}

/** A signal that is aborted after so many milliseconds, unless the scope has ended. */
function limit(ms: number, reason: () => AppError): { readonly signal: AbortSignal } & Disposable {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(reason()), ms);
  return { signal: stop.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** @throws AppError `FILE_UNREADABLE`, `NOT_BOOTABLE`, `NOT_AN_IMAGE` */
function systemImage(path: string): string {
  if (kindOfFile(path) === "system-image") return path;
  throw new AppError("NOT_AN_IMAGE", `${path} is a disk: only a system image can be tested`, {
    hint: "Name the image (.img): `petrify build --output image`.",
  });
}

async function writeJunit(path: string, report: TestReport): Promise<void> {
  await writeText(path, junitXml(report)).catch((cause: unknown) => {
    throw new AppError("REPORT_NOT_WRITTEN", `${path} cannot be written (${(cause as NodeJS.ErrnoException).code})`, { cause });
  });
}

function caseName(text: string, before: readonly CaseName[] = []): readonly CaseName[] {
  const name = CASES.find((one) => one === text);
  if (!name) throw new InvalidArgumentError(`There are ${CASES.join(", ")}.`);
  return [...before, name];
}
