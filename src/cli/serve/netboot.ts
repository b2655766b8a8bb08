import { basename, join, resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { formatSize } from "../../core/units.ts";
import { writingTo } from "../../host/disk-full.ts";
import { interfaceAddresses } from "../../host/interfaces.ts";
import { serveFiles, type ServedFile } from "../../host/serve-files.ts";
import { workDir } from "../../host/work-dir.ts";
import { parseDiskName } from "../../layout/choose-disk.ts";
import { AFTER_INSTALL } from "../../layout/install.ts";
import type { InstallWish } from "../../layout/install-words.ts";
import { ipxeScript, kernelWord } from "../../layout/ipxe.ts";
import { listenPlan, serverUrl } from "../../layout/listen-address.ts";
import { machineArchivePath } from "../../layout/machine-archive.ts";
import { NETBOOT_FILES } from "../../layout/netboot.ts";
import { toolsOf, type Cli, type CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import type { NetbootFor } from "../run.ts";
import { requireDhcp, serveDhcp } from "./dhcp.ts";
import { machineArchives } from "./machine-archives.ts";
import { netbootFolder, requireNetbootSource } from "./netboot-folder.ts";
import { servingEvent, servingText, type Installation } from "./serving-text.ts";
import { watchDeliveries } from "./watch-deliveries.ts";

interface ServeNetbootOptions {
  readonly listen?: string;
  readonly interface?: string;
  readonly dhcp?: "proxy" | "full";
  readonly range?: string;
  readonly config?: string;
  readonly install?: string;
  readonly wipe?: boolean;
  readonly after?: string;
  readonly live?: boolean;
  readonly arg?: readonly string[];
}

const EXAMPLES = `
Whoever can reach the port can read all that is served, machine configs included:
docs/concepts/netboot.md.

Examples:
  petrify serve netboot out/my-os-0.1.0.netboot
  petrify serve netboot out/my-os-0.1.0.img --listen 192.0.2.2:8080 --live
  petrify serve netboot out/my-os-0.1.0.netboot --dhcp proxy --interface eth0 --config machines/
  petrify serve netboot out/my-os-0.1.0.netboot --dhcp full --interface eth1 --range 192.0.2.100-192.0.2.199
  petrify serve netboot out/my-os-0.1.0.netboot --install "size:>=100G" --after poweroff --json`;

/** `petrify serve netboot FOLDER|IMAGE`. */
export function registerServeNetboot(serve: Command, cli: Cli, netbootFor: NetbootFor): void {
  serve
    .command("netboot")
    .summary("boot machines from the network")
    .description(
      "Serves an image to machines that boot from the network: by HTTP, to iPXE. They run it from\n" +
        "memory, and offer to install it or, with --install, do so. With --dhcp, machines that have no\n" +
        "iPXE get it from here. Ctrl-C ends it.",
    )
    .argument("<source>", "folder that `petrify build --output netboot` wrote, or a system image")
    .option("--listen <address:port>", "where (default: port 8080 of this machine's address)")
    .option("--interface <name>", "network interface that the machines are on")
    .addOption(
      new Option(
        "--dhcp <mode>",
        "proxy: tell machines what to boot, beside the network's own DHCP server; full: be the DHCP server of a network that has none",
      ).choices(["proxy", "full"]),
    )
    .option("--range <first-last>", "with --dhcp full: addresses to give")
    .option("--config <path>", "machine config for every machine, or a folder with MAC.yaml and default.yaml")
    .option("--install <device>", "install to this disk of each machine: path, by-id name, serial:…, size:…, or auto")
    .option("--wipe", "install over data too")
    .addOption(new Option("--after <what>", "then").choices(AFTER_INSTALL))
    .addOption(new Option("--live", "only run it, offer no installation").conflicts(["install", "wipe", "after"]))
    .option("--arg <word>", "one more word for the kernel; repeatable", argument)
    .addHelpText("after", EXAMPLES)
    .action(
      cli.action(
        async (context, source: string, options: ServeNetbootOptions) =>
          await serveNetboot(context, resolve(context.cwd, source), options, netbootFor),
      ),
    );
}

async function serveNetboot(
  context: CliContext,
  source: string,
  options: ServeNetbootOptions,
  netbootFor: NetbootFor,
): Promise<void> {
  const { output, signal, cwd, cacheFolder, caller, run } = context;
  const { install, wipe = false } = options;
  if (wipe && install === undefined && options.config === undefined) {
    throw new UsageError("USAGE", "--wipe says nothing without --install or --config", {
      hint: "See `petrify serve netboot --help`.",
    });
  }
  if (install !== undefined) parseDiskName(install); // better now than in front of each machine
  const kind = await requireNetbootSource(source);
  const listen = listenPlan(
    { listen: options.listen, interface: options.interface, dhcp: options.dhcp !== undefined },
    interfaceAddresses(),
  );
  const wanted = requireDhcp(context, { mode: options.dhcp, range: options.range, listen });
  const machines: Machines = options.config === undefined ? new Map() : await machineArchives(resolve(cwd, options.config));
  const installs = installationsOf(options, machines);
  refuseLive(options, installs);

  const folder = join(cacheFolder, "work");
  await using work = await workDir(folder, caller, run);
  const from =
    kind === "folder"
      ? source
      : await writingTo(folder, async () => {
          const made = join(work.path, basename(source));
          await netbootFor(source, made, await toolsOf(context), context);
          return made;
        });
  const { cmdline, memory, sizes } = await netbootFolder(from, context);
  const words = [cmdline, ...installerWords(options), ...(options.arg ?? [])].join(" ");
  const files = filesOf(from, words, machines);
  const watching = watchDeliveries(context);
  {
    await using server = await serveFiles({ ...listen, files, watch: watching.watch });
    const urls = listen.reached.map((address) => serverUrl(address, server.port, `/${NETBOOT_FILES.script}`));
    await using dhcp = wanted ? await serveDhcp(context, wanted, urls[0]!, work.path) : undefined;
    const facts = { name: basename(source), sizes, memory, urls, machines: [...machines.keys()], installs, dhcp: wanted };
    const event = { ...servingEvent(facts), cmdline: words, files: [...files.keys()] };
    output.event(event, servingText(facts));
    await Promise.race([aborted(signal), ...(dhcp ? [dhcp.failed] : [])]);
  }
  const { requests, clients, bytes } = watching.total();
  const human = `served ${clients} machine${clients === 1 ? "" : "s"}: ${requests} requests, ${formatSize(bytes)}`;
  output.result({ requests, clients, bytes }, human);
}

type Machines = Awaited<ReturnType<typeof machineArchives>>;

const filesOf = (from: string, cmdline: string, machines: Machines): ReadonlyMap<string, ServedFile> =>
  new Map<string, ServedFile>([
    [`/${NETBOOT_FILES.script}`, { bytes: new TextEncoder().encode(ipxeScript(cmdline, [...machines.keys()])) }],
    ...[NETBOOT_FILES.kernel, NETBOOT_FILES.initrd].map((name) => [`/${name}`, { path: join(from, name) }] as const),
    ...[...machines].map(([name, { archive }]) => [`/${machineArchivePath(name)}`, { bytes: archive }] as const),
  ]);

/** Which machines install by themselves; what the command line says of it counts more than their configs, and what it does not say is theirs. */
function installationsOf({ install, wipe }: ServeNetbootOptions, machines: Machines): Installation[] {
  const others = machines.size - Number(machines.has("default")) === 0 ? "every machine" : "every other machine";
  const configs = [
    ...[...machines].map(([name, { config }]) => ({ machine: name === "default" ? others : name, ...config.install })),
    ...(machines.has("default") ? [] : [{ machine: others }]),
  ];
  return configs.flatMap(({ machine, device: own, wipe: ownWipe = false }: { readonly machine: string } & InstallWish) => {
    const device = install ?? own;
    return device === undefined ? [] : [{ machine, device, wipe: wipe ?? ownWipe }];
  });
}

/** @throws AppError `INSTALL_UNWANTED` */
function refuseLive({ live }: ServeNetbootOptions, [first]: readonly Installation[]): void {
  if (!live || !first) return;
  throw new AppError(
    "INSTALL_UNWANTED",
    `with --live nothing is installed, but ${first.machine} has a config that says install.device`,
    {
      hint: "Leave out --live, or take install.device out of the config.",
    },
  );
}

/** What the installer of the booted system is told. docs/formats/cmdline.md */
const installerWords = ({ live, install, wipe, after }: ServeNetbootOptions): string[] => [
  ...(live ? [] : ["petrify.installer"]),
  ...(install === undefined ? [] : [kernelWord(`petrify.install.device=${install}`)]),
  ...(wipe ? ["petrify.install.wipe"] : []),
  ...(after === undefined ? [] : [`petrify.install.after=${after}`]),
];

function argument(text: string, before: readonly string[] = []): readonly string[] {
  try {
    return [...before, kernelWord(text)];
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Ctrl-C is how this command ends: no failure. */
const aborted = async (signal: AbortSignal): Promise<void> => {
  if (signal.aborted) return;
  await new Promise<void>((done) => signal.addEventListener("abort", () => done(), { once: true }));
};
