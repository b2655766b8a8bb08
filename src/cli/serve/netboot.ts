import { basename, join, resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { formatSize } from "../../core/units.ts";
import { writingTo } from "../../host/disk-full.ts";
import { interfaceAddresses } from "../../host/interfaces.ts";
import { serveFiles, type ServedFile } from "../../host/serve-files.ts";
import { workDir } from "../../host/work-dir.ts";
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
    .addOption(new Option("--after <what>", "then").choices(["reboot", "poweroff", "stay"]))
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
  const { dhcp, install, wipe = false } = options;
  if (wipe && install === undefined && options.config === undefined) {
    throw new UsageError("USAGE", "--wipe says nothing without --install or --config", {
      hint: "See `petrify serve netboot --help`.",
    });
  }
  const kind = await requireNetbootSource(source);
  const listen = listenPlan(
    { listen: options.listen, interface: options.interface, dhcp: dhcp !== undefined },
    interfaceAddresses(),
  );
  const wanted = requireDhcp(context, { mode: dhcp, range: options.range, listen });
  const machines = options.config === undefined ? new Map() : await machineArchives(resolve(cwd, options.config));

  await using cleanup = new AsyncDisposableStack();
  const folder = join(cacheFolder, "work");
  const work = cleanup.use(await workDir(folder, caller, run));
  const from =
    kind === "folder"
      ? source
      : await writingTo(folder, async () => {
          const made = join(work.path, basename(source));
          await netbootFor(source, made, await toolsOf(context), context);
          return made;
        });
  const { cmdline, sizes } = await netbootFolder(from, context);
  const words = [cmdline, ...installerWords(options), ...(options.arg ?? [])].join(" ");
  const files = new Map<string, ServedFile>([
    [`/${NETBOOT_FILES.script}`, { bytes: new TextEncoder().encode(ipxeScript(words, [...machines.keys()])) }],
    ...[NETBOOT_FILES.kernel, NETBOOT_FILES.initrd].map((name) => [`/${name}`, { path: join(from, name) }] as const),
    ...[...machines].map(([name, bytes]) => [`/${machineArchivePath(name)}`, { bytes }] as const),
  ]);
  const watching = watchDeliveries(context);
  const server = cleanup.use(await serveFiles({ ...listen, files, watch: watching.watch }));
  const urls = listen.reached.map((address) => serverUrl(address, server.port, `/${NETBOOT_FILES.script}`));
  const failed = wanted ? cleanup.use(await serveDhcp(context, wanted, urls[0]!, work.path)).failed : undefined;

  const serving = { type: "serving", urls, cmdline: words, files: [...files.keys()], machines: [...machines.keys()] };
  const event = { ...serving, ...(wanted ? { dhcp: wanted.mode, interface: wanted.interface.name } : {}) };
  const lines = [
    `serving ${basename(source)}: kernel ${formatSize(sizes.kernel)}, initrd ${formatSize(sizes.initrd)}`,
    ...(machines.size > 0 ? [`machine configs: ${[...machines.keys()].join(", ")}`] : []),
    ...(wanted?.mode === "proxy"
      ? [`machines on ${wanted.interface.name} that boot from the network are told to come here`]
      : []),
    ...(wanted?.mode === "full"
      ? [`machines on ${wanted.interface.name} get addresses ${wanted.range.join("-")}, and boot from here`]
      : []),
    ...(install === undefined
      ? []
      : [`EVERY machine that boots from here installs to ${install}${wipe ? ", over any data there" : ""}`]),
    ...urls.map((url) => `to type into iPXE: dhcp && chain ${url}`),
  ];
  output.event(event, lines.join("\n"));
  await Promise.race([aborted(signal), ...(failed ? [failed] : [])]);
  const { requests, clients, bytes } = watching.total();
  const human = `served ${clients} machine${clients === 1 ? "" : "s"}: ${requests} requests, ${formatSize(bytes)}`;
  output.result({ requests, clients, bytes }, human);
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
