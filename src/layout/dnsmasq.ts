/** @portable What dnsmasq is told, so that machines find iPXE and iPXE finds its script. docs/concepts/netboot.md Source: dnsmasq(8) */
import { AppError } from "../core/error.ts";
import { formatIpv4, ipv4Network, parseIpv4 } from "./ipv4.ts";

/** First and last address that machines are given. */
export type AddressRange = readonly [first: string, last: string];

export interface DhcpRequest {
  /** `proxy`: another server gives addresses, this one only says what to boot. `full`: this one gives them. */
  readonly mode: "proxy" | "full";
  readonly interface: string;
  /** The interface's own. */
  readonly address: string;
  readonly netmask: string;
  /** Only of `full`. */
  readonly range?: AddressRange;
  /** URL of the script for iPXE. */
  readonly script: string;
  /** Folder with iPXE's own files, as dnsmasq sees it. */
  readonly tftp: string;
}

/** iPXE as Debian's package `ipxe` has it: it drives the card through the firmware that started it. */
const PROGRAMS = { bios: "undionly.kpxe", uefi: "snponly.efi" } as const;
/**
 * What firmware says it is, option 93. x86-64 UEFI is 7 in the registry; 9 is what the RFC said it to be, and firmware says both.
 * Source: RFC 4578 2.1 with its erratum 4625, IANA "Processor Architecture Types"
 */
const ARCHITECTURES = [
  { type: 0, program: PROGRAMS.bios },
  { type: 7, program: PROGRAMS.uefi },
  { type: 9, program: PROGRAMS.uefi },
] as const;

/** For dnsmasq's `--conf-file`. It answers nobody but machines that boot, and on that interface only; no DNS. */
export function dnsmasqConfig({ mode, address, netmask, range, script, tftp, ...request }: DhcpRequest): string {
  const network = ipv4Network(address, netmask);
  const common = [
    "port=0",
    "no-hosts",
    "no-resolv",
    `interface=${line(request.interface)}`,
    "except-interface=lo",
    "bind-interfaces",
    "user=nobody",
    "group=nogroup",
    "pid-file=",
    "enable-tftp",
    `tftp-root=${line(tftp)}`,
    "dhcp-leasefile=/run/dnsmasq.leases",
    // iPXE says who it is in two ways, option 175 and its user class; old ones know only the second.
    "dhcp-match=set:ipxe,175",
    "dhcp-userclass=set:ipxe,iPXE",
    ...ARCHITECTURES.map(({ type }) => `dhcp-match=set:arch${type},option:client-arch,${type}`),
  ];
  const toIpxe =
    mode === "proxy"
      ? ARCHITECTURES.map(({ type, program }) => `pxe-service=tag:!ipxe,${type},"petrify",${program}`)
      : ARCHITECTURES.map(({ type, program }) => `dhcp-boot=tag:!ipxe,tag:arch${type},${program}`);
  const addresses =
    mode === "proxy"
      ? [
          `dhcp-range=${formatIpv4(network.first)},proxy,${netmask}`,
          // Who has nothing to get here is not kept waiting by an offer.
          `dhcp-ignore=${ARCHITECTURES.map(({ type }) => `tag:!arch${type}`).join(",")}`,
        ]
      : // The network leads nowhere: no router, no name server.
        [`dhcp-range=${(range ?? []).join(",")},${netmask},1h`, "dhcp-option=option:router", "dhcp-option=option:dns-server"];
  return [...common, ...addresses, ...toIpxe, `dhcp-boot=tag:ipxe,${line(script)}`, ""].join("\n");
}

/** It would be two lines, or two values, of the file. */
function line(value: string): string {
  if (!/^[\x21-\x7e]+$/.test(value) || /[,"\\#]/.test(value))
    throw new Error(`cannot be told to dnsmasq: ${JSON.stringify(value)}`);
  return value;
}

/**
 * `192.0.2.100-192.0.2.199`, within the interface's network and without its own address.
 *
 * @throws AppError `DHCP_RANGE_INVALID`
 */
export function addressRange(text: string, address: string, netmask: string): AddressRange {
  const network = ipv4Network(address, netmask);
  const invalid = (why: string): AppError =>
    new AppError("DHCP_RANGE_INVALID", `${JSON.stringify(text)} is no range of addresses to give: ${why}`, {
      hint: `Write FIRST-LAST, within ${formatIpv4(network.first + 1)}-${formatIpv4(network.last - 1)} and without ${address}.`,
    });
  const [from = "", to = "", ...more] = text.split("-");
  const [first, last, own] = [parseIpv4(from), parseIpv4(to), parseIpv4(address)!];
  if (first === undefined || last === undefined || more.length > 0) throw invalid("it is not two IPv4 addresses");
  if (first > last) throw invalid("it ends before it begins");
  if (first <= network.first || last >= network.last) throw invalid("it is not within the interface's network");
  if (first <= own && own <= last) throw invalid(`${address} is this machine`);
  return [from, to];
}

/** What happened to a machine on its way to iPXE's script. */
export type DhcpNews =
  | { readonly what: "asked"; readonly mac: string }
  | { readonly what: "address"; readonly mac: string; readonly address: string }
  | { readonly what: "sent"; readonly address: string; readonly file: string };

const MAC = String.raw`(?<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})`;
const ADDRESS = String.raw`(?<address>\d{1,3}(?:\.\d{1,3}){3})`;
const ASKED = new RegExp(String.raw`^dnsmasq-dhcp\[\d+\]: PXE\([^)]*\) ${MAC} `);
const GIVEN = new RegExp(String.raw`^dnsmasq-dhcp\[\d+\]: DHCPACK\([^)]*\) ${ADDRESS} ${MAC}(?: |$)`);
const SENT = new RegExp(String.raw`^dnsmasq-tftp\[\d+\]: sent \S*?(?<file>[\w.-]+) to ${ADDRESS}$`);

/** What a line of dnsmasq's log tells, where it is of interest. */
export function dhcpNews(text: string): DhcpNews | undefined {
  const { mac: asking } = ASKED.exec(text)?.groups ?? {};
  if (asking !== undefined) return { what: "asked", mac: asking };
  const { mac, address: given } = GIVEN.exec(text)?.groups ?? {};
  if (mac !== undefined && given !== undefined) return { what: "address", mac, address: given };
  const { file, address } = SENT.exec(text)?.groups ?? {};
  return file === undefined || address === undefined ? undefined : { what: "sent", address, file };
}

/** Whether a line of its log says that it is ready. */
export const dnsmasqStarted = (text: string): boolean => /^dnsmasq\[\d+\]: started\b/.test(text);
