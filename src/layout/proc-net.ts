/** @portable Routes and sockets, as the kernel lists them: `/proc/net`. Source: proc_pid_net(5); Linux, net/ipv4/fib_trie.c, net/ipv6/route.c, net/ipv4/tcp_ipv4.c */

export interface Route {
  /** `default`, `192.0.2.0/24`, `fd00::/64`. */
  readonly to: string;
  /** Empty where it is reached directly. */
  readonly gateway: string;
  readonly link: string;
  readonly metric: number;
}

/** Source: linux/route.h */
const UP = 1;
const REJECT = 0x0200;
/** Source: linux/ipv6_route.h; of addresses of the machine's own, and of multicast. */
const LOCAL = 0x80_00_00_00;
const MULTICAST = "ff";

/** `/proc/net/route`. Lines of another form, and routes that are not up, are passed over. Never throws. */
export const parseRoutes4 = (text: string): Route[] =>
  text.split("\n").flatMap((line) => {
    const [link, to, gateway, flags, , , metric, mask] = line.split("\t").map((field) => field.trim());
    if (![to, gateway, mask].every((field) => /^[0-9A-F]{8}$/.test(field ?? ""))) return [];
    if (!/^[0-9A-F]{4}$/.test(flags!) || !/^\d{1,10}$/.test(metric!) || !isUp(flags!)) return [];
    const prefix = prefixOf(mask!);
    const own = to === "00000000" && prefix === 0 ? "default" : `${address4(to!)}/${prefix}`;
    return [{ to: own, gateway: gateway === "00000000" ? "" : address4(gateway!), link: link!, metric: Number(metric) }];
  });

/** `/proc/net/ipv6_route`. Those of the machine's own addresses and of multicast are passed over, too. Never throws. */
export const parseRoutes6 = (text: string): Route[] =>
  text.split("\n").flatMap((line) => {
    const [to, prefix, , , gateway, metric, , , flags, link] = line.trim().split(/ +/);
    if (link === undefined || ![to, gateway].every((field) => /^[0-9a-f]{32}$/.test(field!))) return [];
    if (![metric, flags].every((field) => /^[0-9a-f]{8}$/.test(field!)) || !/^[0-9a-f]{2}$/.test(prefix!)) return [];
    const bits = Number.parseInt(flags!, 16);
    if (!isUp(flags!) || (bits & LOCAL) !== 0 || to!.startsWith(MULTICAST)) return [];
    const length = Number.parseInt(prefix!, 16);
    const own = length === 0 && /^0+$/.test(to!) ? "default" : `${address6(to!)}/${length}`;
    return [{ to: own, gateway: /^0+$/.test(gateway!) ? "" : address6(gateway!), link, metric: Number.parseInt(metric!, 16) }];
  });

const isUp = (flags: string): boolean => {
  const bits = Number.parseInt(flags, 16);
  return (bits & UP) !== 0 && (bits & REJECT) === 0;
};

export interface InternetSocket {
  /** `192.0.2.7:22`, `[::]:22`. */
  readonly local: string;
  /** Empty where nobody is at the other end. */
  readonly remote: string;
  /** Of TCP: listen, established, time-wait …; of UDP: open, or connected. */
  readonly state: string;
  readonly uid: number;
  /** By which processes that have it are found; 0 for one that no process has any more. */
  readonly inode: number;
}

/** Source: net/tcp_states.h */
const STATES = [
  ...["established", "syn-sent", "syn-received", "fin-wait-1", "fin-wait-2", "time-wait", "closed", "close-wait"],
  ...["last-ack", "listen", "closing", "syn-received"],
] as const;
const UDP_STATES: Readonly<Record<string, string>> = { established: "connected", closed: "open" };

/** `/proc/net/tcp`, `tcp6`, `udp`, `udp6`. Lines of another form are passed over. Never throws. */
export const parseSockets = (text: string, kind: "tcp" | "udp"): InternetSocket[] =>
  text.split("\n").flatMap((line) => {
    const [, local, remote, state, uid, inode] = SOCKET.exec(line) ?? [];
    const name = STATES[Number.parseInt(state ?? "0", 16) - 1];
    if (name === undefined) return [];
    return [
      {
        ...{ local: endpoint(local!), remote: remote!.endsWith(":0000") ? "" : endpoint(remote!) },
        ...{ state: kind === "udp" ? (UDP_STATES[name] ?? name) : name, uid: Number(uid), inode: Number(inode) },
      },
    ];
  });

const ENDPOINT = "((?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4})";
const SOCKET = new RegExp(
  `^ *\\d+: ${ENDPOINT} ${ENDPOINT} ([0-9A-F]{2}) [0-9A-F]+:[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ [0-9A-F]+ +(\\d{1,10}) +\\d+ (\\d{1,15}) `,
);

function endpoint(text: string): string {
  const [address, port] = text.split(":");
  const number = Number.parseInt(port!, 16);
  if (address!.length === 8) return `${address4(address!)}:${number}`;
  // Four words of the processor's byte order.
  return `[${address6(address!.replaceAll(/.{8}/g, (word) => bytesOf(word).toReversed().join("")))}]:${number}`;
}

const bytesOf = (hex: string): string[] => hex.match(/../g) ?? [];

/** A word of the processor's byte order, which is little-endian. */
const address4 = (hex: string): string =>
  bytesOf(hex)
    .toReversed()
    .map((byte) => Number.parseInt(byte, 16))
    .join(".");

const prefixOf = (mask: string): number => Number.parseInt(mask, 16).toString(2).replaceAll("0", "").length;

/** As RFC 5952 wants it written. */
function address6(hex: string): string {
  const groups = hex.match(/.{4}/g)!.map((group) => Number.parseInt(group, 16).toString(16));
  const mapped = /^0{20}ffff/i.test(hex) ? bytesOf(hex.slice(24)).map((byte) => Number.parseInt(byte, 16)) : undefined;
  if (mapped) return `::ffff:${mapped.join(".")}`;
  // The longest run of zeros, the first one of several; one alone stays.
  const runs = [
    ...groups
      .map((group) => (group === "0" ? "0" : "x"))
      .join("")
      .matchAll(/0{2,}/g),
  ];
  const [longest] = runs.toSorted((one, other) => other[0].length - one[0].length || one.index - other.index);
  if (!longest) return groups.join(":");
  return `${groups.slice(0, longest.index).join(":")}::${groups.slice(longest.index + longest[0].length).join(":")}`;
}
