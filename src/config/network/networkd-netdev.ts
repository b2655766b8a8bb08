/** @portable Links that networkd makes. Source: systemd.netdev(5) */
import { isMulticast } from "./ip.ts";
import type { Link, LinkOf } from "./links.ts";
import type { BondSettings, BridgeSettings } from "./netplan.ts";
import { yesNo, type Entry, type Section } from "./sections.ts";

/** Nothing for the second of a pair: the first makes both. */
export function netdevSections(link: Exclude<Link, LinkOf<"ethernets" | "wifis">>): Section[] | undefined {
  const { id, is } = link;
  const head = (kind: string): Section => ({
    name: "NetDev",
    lines: [
      ["Name", id],
      ["Kind", kind],
      ["MACAddress", is.macaddress?.toLowerCase()],
      ["MTUBytes", is.mtu],
    ],
  });
  switch (link.kind) {
    case "bonds":
      return [head("bond"), { name: "Bond", lines: bond(link.is.parameters) }];
    case "bridges":
      return [head("bridge"), { name: "Bridge", lines: bridge(link.is.parameters) }];
    case "vlans":
      return [head("vlan"), { name: "VLAN", lines: [["Id", link.is.id]] }];
    case "vrfs":
      return [head("vrf"), { name: "VRF", lines: [["Table", link.is.table]] }];
    case "dummy-devices":
      return [head("dummy")];
    case "virtual-ethernets":
      return id < link.is.peer ? [head("veth"), { name: "Peer", lines: [["Name", link.is.peer]] }] : undefined;
    case "tunnels":
      return [head(tunnelKind(link)), ...tunnel(link)];
  }
}

/** A number alone has the unit of the key. */
const span = (value: string | number | undefined, unit: string): string | undefined =>
  value === undefined ? undefined : /^\d+$/.test(String(value)) ? `${value}${unit}` : String(value);

const bond = (is: BondSettings["parameters"] = {}): Entry[] => [
  ["Mode", is.mode],
  ["LACPTransmitRate", is["lacp-rate"]],
  ["MIIMonitorSec", span(is["mii-monitor-interval"], "ms")],
  ["MinLinks", is["min-links"]],
  ["TransmitHashPolicy", is["transmit-hash-policy"]],
  ["AdSelect", is["ad-select"]],
  ["AllSlavesActive", yesNo(is["all-members-active"] ?? is["all-slaves-active"])],
  ["ARPIntervalSec", span(is["arp-interval"], "ms")],
  ["ARPIPTargets", is["arp-ip-targets"]?.length ? is["arp-ip-targets"].join(" ") : undefined],
  ["ARPValidate", is["arp-validate"]],
  ["ARPAllTargets", is["arp-all-targets"]],
  ["UpDelaySec", span(is["up-delay"], "ms")],
  ["DownDelaySec", span(is["down-delay"], "ms")],
  ["FailOverMACPolicy", is["fail-over-mac-policy"]],
  ["GratuitousARP", is["gratuitous-arp"] ?? is["gratuitious-arp"]],
  ["PacketsPerSlave", is["packets-per-member"] ?? is["packets-per-slave"]],
  ["PrimaryReselectPolicy", is["primary-reselect-policy"]],
  ["ResendIGMP", is["resend-igmp"]],
  ["LearnPacketIntervalSec", span(is["learn-packet-interval"], "s")],
];

function bridge(is: BridgeSettings["parameters"]): Entry[] {
  if (!is) return [];
  return [
    ["AgeingTimeSec", span(is["ageing-time"] ?? is["aging-time"], "s")],
    ["Priority", is.priority],
    ["ForwardDelaySec", span(is["forward-delay"], "s")],
    ["HelloTimeSec", span(is["hello-time"], "s")],
    ["MaxAgeSec", span(is["max-age"], "s")],
    ["STP", yesNo(is.stp ?? true)],
  ];
}

const tunnelKind = ({ is }: LinkOf<"tunnels">): string => (is.mode === "ipip6" || is.mode === "ip6ip6" ? "ip6tnl" : is.mode);

function tunnel(link: LinkOf<"tunnels">): Section[] {
  if (link.is.mode === "wireguard") return wireguard(link);
  return [link.is.mode === "vxlan" ? vxlan(link) : plainTunnel(link)];
}

function plainTunnel({ is }: LinkOf<"tunnels">): Section {
  const given = is.key ?? is.keys;
  const both = typeof given === "object" ? given : { input: given, output: given };
  return {
    name: "Tunnel",
    lines: [
      ["Independent", "yes"],
      ["Mode", is.mode === "ipip6" || is.mode === "ip6ip6" ? is.mode : undefined],
      ["Local", is.local],
      ["Remote", is.remote],
      ["TTL", is.ttl],
      ["InputKey", both.input],
      ["OutputKey", both.output],
    ],
  };
}

const key = (name: string, value: string | undefined): Entry => [
  value?.startsWith("/") && !value.endsWith("=") ? `${name}File` : name,
  value,
];

function wireguard({ is }: LinkOf<"tunnels">): Section[] {
  const given = is.key ?? is.keys;
  const own = typeof given === "object" ? given.private : given;
  return [
    {
      name: "WireGuard",
      lines: [key("PrivateKey", own === undefined ? undefined : String(own)), ["ListenPort", is.port], ["FirewallMark", is.mark]],
    },
    ...(is.peers ?? []).map((peer): Section => ({
      name: "WireGuardPeer",
      lines: [
        ["PublicKey", peer.keys.public],
        ["AllowedIPs", peer["allowed-ips"].join(",")],
        ["PersistentKeepalive", peer.keepalive],
        ["Endpoint", peer.endpoint],
        key("PresharedKey", peer.keys.shared),
      ],
    })),
  ];
}

const NOTIFICATIONS = { "l2-miss": "L2MissNotification", "l3-miss": "L3MissNotification" } as const;
const CHECKSUMS = {
  ...{ udp: "UDPChecksum", "zero-udp6-tx": "UDP6ZeroChecksumTx", "zero-udp6-rx": "UDP6ZeroChecksumRx" },
  ...{ "remote-tx": "RemoteChecksumTx", "remote-rx": "RemoteChecksumRx" },
} as const;
const EXTENSIONS = { "group-policy": "GroupPolicyExtension", "generic-protocol": "GenericProtocolExtension" } as const;

function vxlan({ is }: LinkOf<"tunnels">): Section {
  const isGroup = is.remote !== undefined && isMulticast(is.remote);
  const range = is["port-range"];
  return {
    name: "VXLAN",
    lines: [
      ["VNI", is.id],
      [isGroup ? "Group" : "Remote", is.remote],
      ["Local", is.local],
      ["TOS", is["type-of-service"]],
      ["TTL", is.ttl],
      ["MacLearning", yesNo(is["mac-learning"])],
      ["FDBAgeingSec", is.ageing ?? is.aging],
      ["MaximumFDBEntries", is.limit],
      ["ReduceARPProxy", yesNo(is["arp-proxy"])],
      ...(is.notifications ?? []).map((name): Entry => [NOTIFICATIONS[name], "yes"]),
      ["RouteShortCircuit", yesNo(is["short-circuit"])],
      ...(is.checksums ?? []).map((name): Entry => [CHECKSUMS[name], "yes"]),
      ...(is.extensions ?? []).map((name): Entry => [EXTENSIONS[name], "yes"]),
      ["DestinationPort", is.port],
      ["PortRange", range === undefined ? undefined : `${range[0]}-${range[1]}`],
      ["FlowLabel", is["flow-label"]],
      ["IPDoNotFragment", yesNo(is["do-not-fragment"])],
      ["Independent", is.link === undefined ? "yes" : undefined],
    ],
  };
}
