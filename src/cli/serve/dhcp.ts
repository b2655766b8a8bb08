import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import { writeText } from "../../host/files.ts";
import { startProcess } from "../../host/process.ts";
import { isUdpPortFree } from "../../host/udp-port.ts";
import { addressRange, dhcpNews, dnsmasqConfig, dnsmasqStarted, type AddressRange, type DhcpNews } from "../../layout/dnsmasq.ts";
import type { InterfaceAddress, ListenPlan } from "../../layout/listen-address.ts";
import { toolsOf, type CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { tell } from "./tell.ts";

/** What is asked for, and can be had here. */
export type DhcpPlan = { readonly interface: InterfaceAddress } & (
  | { readonly mode: "proxy" }
  | { readonly mode: "full"; readonly range: AddressRange }
);

/** @throws AppError `USAGE`, `DHCP_NEEDS_ROOT`, `DHCP_RANGE_INVALID` */
export function requireDhcp(
  { caller }: CliContext,
  {
    mode,
    range,
    listen,
  }: { readonly mode: "proxy" | "full" | undefined; readonly range: string | undefined; readonly listen: ListenPlan },
): DhcpPlan | undefined {
  const hint = "See `petrify serve netboot --help`.";
  if (range !== undefined && mode !== "full") throw new UsageError("USAGE", "--range is of --dhcp full", { hint });
  if (mode === undefined) return undefined;
  if (mode === "full" && range === undefined) throw new UsageError("USAGE", "--dhcp full needs --range", { hint });
  const own = listen.interface!; // listenPlan has seen to it
  const plan: DhcpPlan =
    range === undefined
      ? { mode: "proxy", interface: own }
      : { mode: "full", interface: own, range: addressRange(range, own.address, own.netmask) };
  if (caller.uid !== 0) {
    throw new AppError("DHCP_NEEDS_ROOT", "answering DHCP takes root: its ports are below 1024", {
      hint: "Run this as root; or leave out --dhcp, and tell your own DHCP server or iPXE the URL.",
    });
  }
  return plan;
}

/** Where the tools tree has the files of Debian's package `ipxe`. */
const IPXE_FOLDER = "/usr/lib/ipxe";
/** Source: RFC 1350 */
const TFTP_PORT = 69;
const CONFIG_INSIDE = "/dnsmasq.conf";

/**
 * Runs dnsmasq on one interface of this machine, until the scope ends; it ends with this process too.
 *
 * @param script URL of the script for iPXE
 * @param work a folder that is thrown away afterwards
 * @throws AppError `DHCP_PORT_IN_USE`, `DNSMASQ_FAILED`
 */
export async function serveDhcp(
  context: CliContext,
  plan: DhcpPlan,
  script: string,
  work: string,
): Promise<AsyncDisposable & { /** Rejects when dnsmasq ends by itself. */ readonly failed: Promise<never> }> {
  const { signal } = context;
  const tools = await toolsOf(context, "netboot");
  const { name, address, netmask } = plan.interface;
  const range = plan.mode === "full" ? { range: plan.range } : {};
  const config = dnsmasqConfig({ mode: plan.mode, interface: name, address, netmask, ...range, script, tftp: IPXE_FOLDER });
  const path = join(work, "dnsmasq.conf");
  await writeText(path, config);
  const argv = tools.argv(["dnsmasq", "--keep-in-foreground", "--log-facility=-", `--conf-file=${CONFIG_INSIDE}`], {
    binds: [{ source: path, target: CONFIG_INSIDE }],
    network: true,
  });
  if (!(await isUdpPortFree(address, TFTP_PORT))) throw portInUse(address, "it serves TFTP");
  signal.throwIfAborted();
  const started = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => started.resolve(), { once: true });
  const child = await startProcess(argv, 0, (line) => {
    if (dnsmasqStarted(line)) started.resolve();
    const news = dhcpNews(line);
    if (news) tell(context, { type: "dhcp", ...news }, sentence(news));
  });
  let ending = false;
  const failed = child.exited.then(() => {
    if (ending) return new Promise<never>(() => {});
    throw explain(child.tail(), address);
  });
  failed.catch(() => {}); // who waits for it is told
  try {
    await Promise.race([started.promise, failed]);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
  return {
    failed,
    [Symbol.asyncDispose]: async () => {
      ending = true;
      await child[Symbol.asyncDispose]();
    },
  };
}

function sentence(news: DhcpNews): string {
  switch (news.what) {
    case "asked":
      return `${news.mac} asks what to boot`;
    case "address":
      return `${news.mac} has address ${news.address}`;
    case "sent":
      return `${news.address} has got ${news.file}`;
  }
}

function explain(tail: string, address: string): AppError {
  const said = tail.trim().split("\n").at(-1) ?? "";
  if (/address already in use/i.test(tail)) return portInUse(address, said);
  return new AppError("DNSMASQ_FAILED", `dnsmasq ended: ${said || "it said nothing"}`);
}

const portInUse = (address: string, why: string): AppError =>
  new AppError("DHCP_PORT_IN_USE", `another server for machines that boot runs on ${address}: ${why}`, {
    hint: "Stop it; or leave out --dhcp, and have it name the script's URL.",
  });
