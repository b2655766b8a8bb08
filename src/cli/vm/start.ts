import { join } from "node:path";
import { Option, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { formatDuration, type Seconds } from "../../core/units.ts";
import { startInBackground } from "../../host/background.ts";
import { wait } from "../../host/wait.ts";
import { workDir } from "../../host/work-dir.ts";
import { requireMemory } from "../../vm/host-memory.ts";
import { diskFile, VM_FILES, type NamedVm } from "../../vm/named-vm.ts";
import type { RunningVm } from "../../vm/supervisor.ts";
import { agentStatusOf, stateOf } from "../../vm/supervisor-client.ts";
import type { VmHost } from "../../vm/vm.ts";
import { toolsOf, type Cli, type CliContext } from "../context.ts";
import { acceleratorFor, timeLimit } from "../machine-options.ts";
import { attach } from "./console.ts";
import { openStore } from "./store.ts";
import { superviseArgs } from "./supervise.ts";

interface StartOptions {
  readonly console?: boolean;
  readonly wait?: boolean;
  readonly timeout: Seconds;
  readonly kvm?: boolean;
}

const MAIN = join(import.meta.dirname, "../main.ts");
/** Of the caller's environment: what decides where things lie. */
const PASSED_ON = ["HOME", "PATH", "XDG_CACHE_HOME", "XDG_STATE_HOME"] as const;
const ASK_EVERY_MS = 500;
const DEFAULT_TIMEOUT: Seconds = 900;

const EXAMPLES = `
The machine goes on when this command and its terminal end; it ends with \`petrify vm stop\`, by itself, or with this computer.

Examples:
  petrify vm start web
  petrify vm start web --console
  petrify vm start web --wait --timeout 5min --json`;

/** `petrify vm start NAME`. */
export function registerVmStart(vm: Command, cli: Cli): void {
  vm.command("start")
    .summary("start a VM in the background")
    .description("Starts a VM in the background. One that runs already is left as it is.")
    .argument("<name>", "the VM")
    .option("--console", "stay at its console: Ctrl-] leaves it, and the VM goes on")
    .option("--wait", "wait until its agent says that it is healthy")
    .addOption(
      new Option("--timeout <time>", "how long --wait waits, e.g. 90s, 20min")
        .argParser(timeLimit)
        .default(DEFAULT_TIMEOUT, "15min"),
    )
    .addOption(new Option("--kvm", "use KVM without trying it first"))
    .addOption(new Option("--no-kvm", "use software emulation"))
    .addHelpText("after", EXAMPLES)
    .action(cli.action(startNamed));
}

async function startNamed(context: CliContext, name: string, options: StartOptions): Promise<void> {
  const { output, signal } = context;
  const store = openStore(context);
  const vm = await store.read(name);
  const folder = store.folderOf(name);
  const there = await stateOf(folder, signal);
  const { state, changed } = there ? { state: there, changed: false } : await begin(context, vm, folder, options.kvm);
  const { pid, accelerator, reason } = state;
  const by = accelerator === "kvm" ? "KVM" : "software emulation";
  const human = changed ? `the VM ${name} runs on ${by}: ${reason}` : `the VM ${name} runs already`;
  const result = { changed, name, pid, accelerator, reason, forwards: vm.forwards, console: join(folder, VM_FILES.console) };
  if (options.wait) await untilHealthy(context, name, folder, options.timeout);
  if (!options.console) return output.result(result, options.wait ? `${human}, and is healthy` : human);
  output.event({ type: "started", ...result }, human);
  const end = await attach(context, name, folder);
  output.result({ ...result, end }, end === "left" ? `the VM ${name} goes on` : `the VM ${name} has ended`);
}

interface Begun {
  readonly state: RunningVm;
  readonly changed: boolean;
}

async function begin(context: CliContext, vm: NamedVm, folder: string, kvm: boolean | undefined): Promise<Begun> {
  const { env, caller, run, signal, cacheFolder } = context;
  await requireMemory(vm.memory);
  const host: VmHost = { tools: await toolsOf(context), caller, run, folder: join(cacheFolder, "vm"), signal };
  await using work = await workDir(host.folder, caller, run);
  const choice = await acceleratorFor(host, kvm, join(folder, diskFile(vm)), work.path);
  const passed = PASSED_ON.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]] as const]));
  try {
    const state = await startInBackground([MAIN, ...superviseArgs(vm.name, cacheFolder, choice)], {
      ...{ env: Object.fromEntries(passed), log: join(folder, VM_FILES.supervisorLog), signal },
    });
    return { state: state as RunningVm, changed: true };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, message } = error;
    if (code === "VM_BUSY") {
      const state = await stateOf(folder, signal); // somebody else has just started it
      if (state) return { state, changed: false };
    }
    if (code !== "PORT_IN_USE") throw error;
    throw new AppError(code, message, {
      hint: "End what uses it, or make the VM again with another one: `petrify vm create --forward HOST:GUEST`.",
      cause: error,
    });
  }
}

/** What of the agent's status matters here. */
interface Health {
  readonly health: {
    readonly is: string;
    readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly reason?: string }[];
  };
}

async function untilHealthy(context: CliContext, name: string, folder: string, timeout: Seconds): Promise<void> {
  const { signal, clock, progress } = context;
  const last = clock() + timeout * 1000;
  await progress.step(`wait until ${name} is healthy`, async (show) => {
    for (let said = "its agent has not come up"; ; await wait(ASK_EVERY_MS, signal)) {
      if (!(await stateOf(folder, signal))) {
        const hint = `What it said is in ${join(folder, VM_FILES.console)}.`;
        throw new AppError("VM_ENDED", `the VM ${name} ended before it was healthy`, { hint });
      }
      const health = await healthOf(folder, signal);
      if (health?.is === "healthy") return;
      const failing = health?.checks.flatMap(({ ok, name: check, reason }) => (ok ? [] : `${check}: ${reason ?? "failed"}`));
      if (health) said = failing?.join("; ") || health.is;
      show(said);
      if (clock() < last) continue;
      throw new AppError("VM_TIMEOUT", `the VM ${name} was not healthy after ${formatDuration(timeout)}: ${said}`, {
        hint: `It still runs: see \`petrify vm console ${name}\`.`,
      });
    }
  });
}

async function healthOf(folder: string, signal: AbortSignal): Promise<Health["health"] | undefined> {
  try {
    return ((await agentStatusOf(folder, signal)) as Health | undefined)?.health;
  } catch (error) {
    if (error instanceof AppError && /^AGENT_|^VM_ENDED$/.test(error.code)) return undefined; // not yet, or not any more
    throw error;
  }
}
