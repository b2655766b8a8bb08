import { readText } from "../host/files.ts";
import { join, resolve } from "node:path";
import { Option, type Command } from "commander";
import { AGENT_SOCKET } from "../agent/status.ts";
import { AppError } from "../core/error.ts";
import { askLocally } from "../host/unix-http.ts";
import {
  AFTER_INSTALL,
  INSTALL_CALLS,
  type AfterInstall,
  type InstallDisk,
  type Installed,
  type InstallNews,
  type InstallPhase,
  type InstallPlan,
  type InstallRequest,
} from "../layout/install.ts";
import { openConsole } from "./install-console/open-console.ts";
import { confirmDisk } from "./confirm-disk.ts";
import { disksText, installedText, planText } from "./install-text.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";
import { UsageError } from "./output.ts";
import { phaseProgress } from "./phase-progress.ts";
import { jsonProgress, liveProgress, plainProgress } from "./progress.ts";

interface InstallOptions {
  readonly list?: boolean;
  readonly follow?: boolean;
  readonly console?: boolean;
  readonly wipe?: boolean;
  readonly config?: string;
  readonly after: AfterInstall;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

const EXAMPLES = `
Examples:
  petrify install --list
  petrify install /dev/sda --dry-run
  petrify install serial:S4EVNX0M --config machine.yaml
  petrify install auto --wipe --after poweroff --yes --json`;

/** `petrify install DEVICE`, on a machine that runs from memory. */
export function registerInstall(program: Command, cli: NodeCli): void {
  program
    .command("install")
    .argument("[device]", "path, name in /dev/disk/by-id, serial:NUMBER, size:500G, or auto")
    .summary("install the system that runs from memory to a disk")
    .description(
      "Makes a disk that boots the image that runs, on BIOS and UEFI, and reads all of it back. What was on the disk is\n" +
        "lost. Refuses disks that are in use, the medium that the machine was started from, and disks that hold data unless\n" +
        "told --wipe. Nothing boots from the disk until all of it is written and read back; interrupted, it can be repeated.\n" +
        "The new machine gets a key of its own, whose fingerprint is shown at the end.\n" +
        "Only where the system runs from memory: from an install medium, or from the network. Has to be run as root.",
    )
    .option("--list", "list the disks, what is on them and what speaks against each")
    .option("--follow", "show how far the present installation is")
    .option("--console", "ask on this terminal where to install, until the machine goes down")
    .option("--wipe", "overwrite a disk that holds data")
    .option("--config <file>", "machine config for the new disk")
    .addOption(new Option("--after <what>", "what to do once it is installed").choices(AFTER_INSTALL).default(AFTER_INSTALL[0]))
    .option("--dry-run", "only say what would be done, or what speaks against it")
    .option("-y, --yes", "do not ask")
    .addHelpText("after", EXAMPLES)
    .action(cli.action(install));
}

async function install(context: NodeContext, device: string | undefined, options: InstallOptions): Promise<void> {
  const { output } = context;
  if (options.console) return await openConsole(context);
  if (options.list) {
    const { disks } = await first<{ readonly disks: readonly InstallDisk[] }>(ask(context, INSTALL_CALLS.disks));
    return output.result({ disks }, disksText(disks));
  }
  if (options.follow) return await follow(context, ask(context, INSTALL_CALLS.follow), false);
  if (device === undefined)
    throw new UsageError("USAGE", "a device is missing", { hint: "To see them: petrify install --list." });
  const { wipe = false, after, dryRun = false, yes = false } = options;
  const config = options.config === undefined ? undefined : await configOf(resolve(context.cwd, options.config));
  const plan = await first<InstallPlan>(ask(context, INSTALL_CALLS.plan, { device, wipe }));
  if (dryRun) return output.result({ ...plan, changed: false }, planText(plan, "would install"));
  output.event({ type: "plan", ...plan }, planText(plan, "installs"));
  if (!yes) await confirmDisk(context, plan.disk.target);
  // The very disk that was shown, whatever the name would mean by now.
  const request: InstallRequest = {
    ...{ device: plan.disk.target.path, wipe, after },
    ...(config === undefined ? {} : { config }),
  };
  await follow(context, ask(context, INSTALL_CALLS.install, request), true);
}

/** Until it is installed. @param begins whether it ends when this does */
async function follow(context: NodeContext, news: AsyncIterable<unknown>, begins: boolean): Promise<void> {
  const { output, json, sinks, clock, signal } = context;
  const progress = json
    ? jsonProgress(sinks, clock)
    : sinks.columns() > 0
      ? liveProgress(sinks, clock)
      : plainProgress(sinks, clock);
  let installed: Installed | undefined;
  let path: string | undefined;
  let phase: InstallPhase | undefined;
  const title = "install";
  try {
    await progress.step(title, async (note) => {
      const progressed = phaseProgress({ title, output, clock, json, note });
      for await (const value of news) {
        const event = value as InstallNews;
        if ("plan" in event) path = event.plan.disk.target.path;
        else if ("phase" in event) {
          phase = event.phase;
          progressed(event.phase, event.done, event.total);
        } else installed = event.installed;
      }
      if (!installed && path !== undefined)
        throw new AppError("INSTALL_UNFINISHED", "the installation was not followed to its end", {
          hint: "See `petrify install --follow`.",
        });
    });
  } catch (error) {
    if (signal.aborted && (!begins || phase === "finishing")) {
      sinks.err("The agent goes on with it: `petrify install --follow` shows it.\n");
    } else if (phase !== undefined && phase !== "checking") {
      const event = { type: "unfinished", path };
      output.event(event, `${path} is not whole: start no machine from it. It is safe to repeat the command.`);
    }
    throw error;
  }
  if (installed) output.result({ ...installed, changed: true }, installedText(installed));
  else output.result({ installed: null }, "Nothing is being installed.");
}

const ask = ({ root, signal }: NodeContext, call: string, body?: object): AsyncGenerator => {
  const [method, url] = call.split(" ") as ["GET" | "POST", string];
  return askLocally(join(root, AGENT_SOCKET), method, url, signal, body);
};

async function first<T>(values: AsyncIterable<unknown>): Promise<T> {
  for await (const value of values) return value as T;
  throw new Error("the agent has no answer");
}

async function configOf(path: string): Promise<string> {
  return await readText(path).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AppError("FILE_UNREADABLE", `${path} cannot be read (${code})`, { hint: "Name a machine config.", cause });
  });
}
