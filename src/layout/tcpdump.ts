/** @portable What tcpdump is asked for, and what it says. Pure. Source: tcpdump(8), pcap-filter(7) */
export interface CaptureQuery {
  /** A network interface, or `any`. */
  readonly link: string;
  /** In the language of pcap-filter(7); all packets where it is empty. */
  readonly filter: string;
  /** Connections of the API, too: of this capture's own news there is no end then. */
  readonly withApi: boolean;
  readonly promiscuous: boolean;
  /** Bytes of each packet. */
  readonly snaplen: number;
  readonly count?: number | undefined;
}

/** What the kernel keeps of packets until they are taken, in KiB: where it is full, packets are dropped and counted. */
const BUFFER_KIB = 4096;

/** Every value is part of its option's word, or comes after the end of options: none of them can be taken for another option. */
export function tcpdumpArguments(query: CaptureQuery, apiPort: number): readonly [string, ...string[]] {
  const { link, filter, withApi, promiscuous, snaplen, count } = query;
  // In front: `vlan` and the like change what all that stands behind them is about.
  const expression = [...(withApi ? [] : [`not tcp port ${apiPort}`]), ...(filter === "" ? [] : [`(${filter})`])];
  return [
    "tcpdump",
    ...[`--interface=${link}`, "-n", "-U", "-w-", `--buffer-size=${BUFFER_KIB}`, `--snapshot-length=${snaplen}`],
    ...(promiscuous ? [] : ["--no-promiscuous-mode"]),
    ...(count === undefined ? [] : [`-c${count}`]),
    "--",
    ...(expression.length > 0 ? [expression.join(" and ")] : []),
  ];
}

/** How many packets it had no room for, where a line of its standard error says so. */
export function droppedPackets(line: string): number | undefined {
  const found = /(\d+) packets? dropped by kernel/.exec(line)?.[1];
  return found === undefined ? undefined : Number(found);
}
