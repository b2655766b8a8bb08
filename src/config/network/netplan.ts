/**
 * @portable The keys of `network` in a machine config: netplan's YAML, version 2, as far as it is taken. docs/concepts/network.md.
 * Source: netplan 1.1, "YAML configuration"
 */
import { z } from "zod";
import {
  Address,
  AddressOf,
  CertificatePath,
  Cidr,
  Destination,
  Domain,
  Driver,
  Endpoint,
  Flag,
  HostName,
  InterfaceName,
  KeyOrFile,
  keys,
  Line,
  LinkId,
  Mac,
  MilliSpan,
  NamePattern,
  Network,
  PublicKey,
  refused,
  SecondSpan,
  SecretLine,
  TunnelKey,
  Whole,
} from "./words.ts";

const flag = (what: string) => Flag.optional().describe(what);
const whole = (least: number, most: number, what: string) => Whole(least, most).optional().describe(what);
const Mtu = (what: string) => whole(68, 65_535, what);
const Table = whole(1, 4_294_967_295, "Number of the routing table; default: main");
const Metric = (what: string) => whole(0, 4_294_967_295, what);

const Overrides = keys({
  "use-dns": flag("Whether its name servers are taken; default: true"),
  "use-ntp": flag("Whether its time servers are taken; default: true"),
  "use-mtu": flag("Whether its MTU is taken; default: true"),
  "use-routes": flag("Whether its routes are taken; default: true"),
  "use-domains": z
    .union([Flag, z.literal("route")])
    .optional()
    .describe("Whether its domains are searched; `route`: only routed"),
  "use-hostname": flag("Whether the host's name may come from it; default: true"),
  "send-hostname": flag("Whether the host's name is told; default: true"),
  hostname: HostName.optional().describe("The name that is told in place of the host's"),
  "route-metric": Metric("Metric of its routes; default: 100, wireless 600"),
}).meta({ id: "DhcpOverrides" });

const AddressOptions = keys({
  label: z
    .string()
    .regex(/^[A-Za-z0-9_.@+=:-]{1,15}$/, "must be at most 15 letters, digits and _ . @ + = : -")
    .optional()
    .describe("Label of the address"),
  lifetime: z
    .union([z.literal(0), z.enum(["0", "forever"])])
    .optional()
    .describe("Preferred lifetime: forever, or 0 for deprecated"),
});
const AddressEntry = z.union([
  Cidr,
  z.record(Cidr, AddressOptions).refine((entry) => Object.keys(entry).length === 1, "must be one address with its options"),
]);

const ROUTE_TYPES = [
  "unicast",
  "anycast",
  "blackhole",
  "broadcast",
  "local",
  "multicast",
  "nat",
  "prohibit",
  "throw",
  "unreachable",
  "xresolve",
] as const;
const NOT_OF_NETWORKD = ["nat", "xresolve"];
const Route = keys({
  to: Destination.describe("Destination: default, a network or an address"),
  via: Address.optional().describe("Gateway"),
  from: Address.optional().describe("Address of this machine that it is for"),
  "on-link": flag("Whether the gateway is reached although no network has it"),
  metric: Metric("Of two routes the one with the lower is taken"),
  type: z
    .enum(ROUTE_TYPES)
    .refine((type) => !NOT_OF_NETWORKD.includes(type), "is a type of route that Linux does not have any more")
    .optional()
    .describe("Default: unicast"),
  scope: z
    .enum(["global", "link", "host"])
    .optional()
    .describe("Default: link without a gateway, host for local routes, else global"),
  table: Table,
  mtu: Mtu("Its MTU"),
  "congestion-window": whole(1, 1_000_000, "First congestion window of TCP, in segments"),
  "advertised-receive-window": whole(1, 1_000_000, "First receive window of TCP, in segments"),
  "advertised-mss": whole(1, 65_535, "Segment size that TCP tells, bytes"),
}).meta({ id: "Route" });

const Policy = keys({
  from: Network.optional().describe("Of packets from there"),
  to: Network.optional().describe("Of packets to there"),
  table: whole(1, 4_294_967_295, "Routing table that they follow"),
  priority: whole(0, 4_294_967_295, "Rules with a lower one come first"),
  mark: whole(1, 4_294_967_295, "Of packets with this mark of the firewall"),
  "type-of-service": whole(0, 255, "Of packets with this type of service"),
}).meta({ id: "RoutingPolicy" });

const routing = {
  routes: z.array(Route).max(5000).optional().describe("Routes"),
  "routing-policy": z.array(Policy).max(1000).optional().describe("Which packets follow which table"),
};

/** What every kind of link may say. */
const COMMON = {
  addresses: z
    .array(AddressEntry)
    .max(1000)
    .optional()
    .describe("Addresses with the bits of their network, perhaps with `label`, `lifetime`"),
  dhcp4: flag("Whether an address of IPv4 is asked for"),
  dhcp6: flag("Whether an address of IPv6 is asked for"),
  "dhcp4-overrides": Overrides.optional().describe("What of the answer is taken"),
  "dhcp6-overrides": Overrides.optional().describe("What of the answer is taken"),
  "dhcp-identifier": z.enum(["mac", "duid"]).optional().describe("As what the machine asks; default: duid"),
  "ra-overrides": keys({
    "use-dns": flag("Whether the router's name servers are taken; default: true"),
    "use-domains": z
      .union([Flag, z.literal("route")])
      .optional()
      .describe("Whether the router's domains are searched"),
    table: Table,
  })
    .optional()
    .describe("What of a router's advertisements is taken"),
  "accept-ra": flag("Whether routers' advertisements are heard; default: the kernel's"),
  "ipv6-privacy": flag("Whether addresses that change are used outwards; default: false"),
  "ipv6-mtu": whole(1280, 65_535, "MTU of IPv6"),
  "ipv6-address-generation": z.enum(["eui64", "stable-privacy"]).optional().describe("How IPv6 addresses are made of a prefix"),
  "ipv6-address-token": AddressOf(6).optional().describe("The last 64 bits of IPv6 addresses, such as ::42"),
  "link-local": z
    .array(z.enum(["ipv4", "ipv6"]))
    .max(2)
    .optional()
    .describe("Which link-local addresses there are; default: [ipv6]"),
  nameservers: keys({
    addresses: z.array(Address).max(50).optional().describe("Name servers"),
    search: z.array(Domain).max(50).optional().describe("Domains in which names are looked for"),
  })
    .optional()
    .describe("Who is asked for names"),
  ...routing,
  gateway4: AddressOf(4).optional().describe("The older spelling of a route to default"),
  gateway6: AddressOf(6).optional().describe("The older spelling of a route to default"),
  mtu: Mtu("Largest packet, bytes"),
  macaddress: z
    .union([Mac, z.enum(["permanent", "random"])])
    .optional()
    .describe("Hardware address that the link gets; `permanent` and `random` only of physical ones"),
  optional: flag("Whether a boot does not wait for it; default: false"),
  critical: flag("Whether its addresses stay when the network service stops; default: false"),
  "ignore-carrier": flag("Whether it is set up without a cable, too; default: false"),
  "activation-mode": z.enum(["manual", "off"]).optional().describe("manual: is not brought up; off: stays down"),
  hairpin: flag("As a port of a bridge: whether a packet may leave where it came in"),
  "port-mac-learning": flag("As a port of a bridge: whether addresses are learned from it"),
  "neigh-suppress": flag("As a port of a bridge: whether the bridge answers ARP and ND for it"),
  renderer: refused("one program sets up all of the network: write it beside version"),
  "optional-addresses": refused("no program here waits for single addresses: write optional: true"),
  networkmanager: refused("is handed through to NetworkManager unseen: write a keyfile with write_files"),
  openvswitch: refused("Open vSwitch is not set up from here: it has its own database"),
};

/** Of links that are there by themselves. */
const PHYSICAL = {
  match: keys({
    name: NamePattern.optional().describe("Name, or a pattern"),
    macaddress: Mac.optional().describe("Its own hardware address"),
    driver: z
      .union([Driver, z.array(Driver).min(1).max(20)])
      .optional()
      .describe("Driver, or a pattern; or several"),
  })
    .optional()
    .describe("Which interfaces are meant; default: the one of this name"),
  "set-name": InterfaceName.optional().describe("Name that it gets; needs `match`"),
  wakeonlan: flag("Whether it is woken by a magic packet; default: the driver's"),
  "emit-lldp": flag("Whether it tells neighbours who it is (LLDP); default: false"),
  "receive-checksum-offload": flag("Whether the hardware checks sums"),
  "transmit-checksum-offload": flag("Whether the hardware makes sums"),
  "tcp-segmentation-offload": flag("Whether the hardware cuts TCP of IPv4"),
  "tcp6-segmentation-offload": flag("Whether the hardware cuts TCP of IPv6"),
  "generic-segmentation-offload": flag("Whether packets are cut late"),
  "generic-receive-offload": flag("Whether packets are joined early"),
  "large-receive-offload": flag("Whether the hardware joins packets"),
};

const KEY_MANAGEMENT = ["none", "psk", "psk-sha256", "sae", "eap", "eap-sha256", "eap-suite-b-192", "802.1x"] as const;
const Auth = keys({
  "key-management": z.enum(KEY_MANAGEMENT).optional().describe("How it is proven who one is"),
  method: z.enum(["tls", "peap", "leap", "pwd", "ttls"]).optional().describe("Method of EAP"),
  identity: Line.optional().describe("Who one is"),
  "anonymous-identity": Line.optional().describe("Who one says to be outside of the tunnel"),
  password: SecretLine.optional().describe("Password, or `hash:` and its NT hash"),
  "ca-certificate": CertificatePath.optional().describe("File with the authorities of the other side"),
  "client-certificate": CertificatePath.optional().describe("File with one's certificate"),
  "client-key": CertificatePath.optional().describe("File with one's key"),
  "client-key-password": SecretLine.optional().describe("Password of that file"),
  "phase2-auth": z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/, "must be a method, such as MSCHAPV2")
    .optional()
    .describe("Method inside the tunnel"),
}).meta({ id: "Auth" });

const SRIOV = "virtual functions are made by a program of netplan's, which is not here: use a unit or a stage";
const Ethernet = keys({
  ...COMMON,
  ...PHYSICAL,
  auth: Auth.optional().describe("802.1X on the wire"),
  link: refused(SRIOV),
  "virtual-function-count": refused(SRIOV),
  "embedded-switch-mode": refused(SRIOV),
  "delay-virtual-functions-rebind": refused(SRIOV),
  "infiniband-mode": refused("InfiniBand is not set up from here"),
});

const AccessPoint = keys({
  password: SecretLine.optional().describe("Passphrase: 8 … 63 characters, or a key of 64 hexadecimal digits"),
  auth: Auth.optional().describe("In place of `password`"),
  mode: z.enum(["infrastructure", "ap", "adhoc"]).optional().describe("Default: infrastructure"),
  bssid: Mac.optional().describe("Only the access point with this hardware address"),
  band: z.enum(["5GHz", "5G", "2.4GHz", "2.4G"]).optional().describe("Only in this band"),
  channel: whole(1, 173, "Only on this channel of `band`"),
  hidden: flag("Whether it does not tell its name; default: false"),
  networkmanager: refused("is handed through to NetworkManager unseen: write a keyfile with write_files"),
});
const Ssid = z
  .string()
  .refine(
    (text) => text.isWellFormed() && new TextEncoder().encode(text).length <= 32 && text !== "",
    "must be the name of a wireless network: 1 … 32 bytes",
  );
const Wifi = keys({
  ...COMMON,
  ...PHYSICAL,
  "access-points": z.record(Ssid, AccessPoint).describe("Wireless networks that are joined, by name"),
  auth: refused("write it below each of access-points"),
  "regulatory-domain": z
    .string()
    .regex(/^(?:[A-Z]{2}|00)$/, "must be a country: two capital letters")
    .optional()
    .describe("Country whose rules for radio hold"),
  wakeonwlan: refused("waking a machine by radio is not set up from here"),
});

const members = (what: string) => z.array(LinkId).max(500).optional().describe(what);
const Bond = keys({
  ...COMMON,
  interfaces: members("Links that are bonded"),
  parameters: keys({
    mode: z
      .enum(["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"])
      .optional()
      .describe("How the links are used; default: balance-rr"),
    "lacp-rate": z.enum(["slow", "fast"]).optional().describe("Of 802.3ad: how often the links are negotiated"),
    "mii-monitor-interval": MilliSpan.optional().describe("How often cables are looked at; 0: never"),
    "min-links": whole(0, 65_535, "So many links have to be up"),
    "transmit-hash-policy": z
      .enum(["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"])
      .optional()
      .describe("By what a link is chosen for a packet"),
    "ad-select": z.enum(["stable", "bandwidth", "count"]).optional().describe("Of 802.3ad: which group is chosen"),
    "all-members-active": flag("Whether packets on inactive links are taken; older: all-slaves-active"),
    "all-slaves-active": flag("The older spelling of all-members-active"),
    "arp-interval": MilliSpan.optional().describe("How often others are asked for by ARP"),
    "arp-ip-targets": z.array(AddressOf(4)).max(16).optional().describe("Who is asked for"),
    "arp-validate": z.enum(["none", "active", "backup", "all"]).optional().describe("Whose answers are checked"),
    "arp-all-targets": z.enum(["any", "all"]).optional().describe("Whether one answer is enough"),
    "up-delay": MilliSpan.optional().describe("How long a cable has to be there"),
    "down-delay": MilliSpan.optional().describe("How long a cable has to be away"),
    "fail-over-mac-policy": z.enum(["none", "active", "follow"]).optional().describe("Whose hardware address the bond has"),
    "gratuitous-arp": whole(1, 255, "So many announcements after a change of links; older: gratuitious-arp"),
    "gratuitious-arp": whole(1, 255, "The older spelling of gratuitous-arp"),
    "packets-per-member": whole(0, 65_535, "Of balance-rr: packets before the next link; older: packets-per-slave"),
    "packets-per-slave": whole(0, 65_535, "The older spelling of packets-per-member"),
    "primary-reselect-policy": z.enum(["always", "better", "failure"]).optional().describe("When the primary link is used again"),
    "resend-igmp": whole(0, 255, "So many memberships are told after a change of links"),
    "learn-packet-interval": SecondSpan.optional().describe("How often switches are taught where one is"),
    primary: LinkId.optional().describe("The link that is used where it can be"),
  })
    .optional()
    .describe("How the links are bonded"),
});

const Bridge = keys({
  ...COMMON,
  interfaces: members("Links that are its ports"),
  parameters: keys({
    "ageing-time": SecondSpan.optional().describe("How long an address is remembered"),
    "aging-time": SecondSpan.optional().describe("Another spelling of ageing-time"),
    priority: whole(0, 65_535, "Priority of the bridge"),
    "port-priority": z.record(LinkId, Whole(0, 63)).optional().describe("Priority by port"),
    "forward-delay": SecondSpan.optional().describe("How long a port listens and learns"),
    "hello-time": SecondSpan.optional().describe("How often it tells that it is there"),
    "max-age": SecondSpan.optional().describe("How long another bridge may be silent"),
    "path-cost": z.record(LinkId, Whole(1, 200_000_000)).optional().describe("Cost by port"),
    stp: flag("Whether the spanning tree protocol is spoken; default: true, where there are parameters"),
  })
    .optional()
    .describe("How it forwards"),
});

const Vlan = keys({
  ...COMMON,
  id: Whole(0, 4094).describe("Its number"),
  link: LinkId.describe("The link that it is on"),
});

const Vrf = keys({
  ...COMMON,
  table: Whole(1, 4_294_967_295).describe("Routing table of what is in it; that of its routes, too"),
  interfaces: members("Links that are in it"),
});

const Dummy = keys(COMMON);
const Veth = keys({ ...COMMON, peer: LinkId.describe("The other end, which is described, too") });

const Peer = keys({
  keys: keys({
    public: PublicKey.describe("Its public key"),
    shared: KeyOrFile.optional().describe("A key that both have, or the file with it"),
  }).describe("Its keys"),
  endpoint: Endpoint.optional().describe("Where it is reached: HOST:PORT"),
  "allowed-ips": z.array(Network).min(1).max(5000).describe("Networks that are behind it"),
  keepalive: whole(0, 65_535, "Seconds after which a packet goes there; 0: never"),
});
const TunnelKeys = keys({
  private: KeyOrFile.optional().describe("Of WireGuard: the private key, or the file with it"),
  input: TunnelKey.optional().describe("Key of packets that come"),
  output: TunnelKey.optional().describe("Key of packets that go"),
  "private-key-flags": refused("asks a person's keyring, and nobody is there"),
});
const TUNNEL_MODES = [
  ...(["sit", "gre", "ip6gre", "gretap", "ip6gretap", "ipip", "ipip6", "ip6ip6", "vti", "vti6", "vxlan", "wireguard"] as const),
] as const;
const Tunnel = keys({
  ...COMMON,
  mode: z.enum(TUNNEL_MODES).describe("What it speaks"),
  local: Address.optional().describe("Its own end"),
  remote: Address.optional().describe("The other end"),
  ttl: whole(0, 255, "Hops that its packets may go; 0: as inside"),
  key: z
    .union([TunnelKey, KeyOrFile, TunnelKeys])
    .optional()
    .describe("Key: of WireGuard the private one; of gre and vti for both ways"),
  keys: z.union([TunnelKey, KeyOrFile, TunnelKeys]).optional().describe("Another spelling of key"),
  mark: whole(1, 4_294_967_295, "Of WireGuard: mark of its own packets"),
  port: whole(1, 65_535, "UDP port"),
  peers: z.array(Peer).max(5000).optional().describe("Of WireGuard: the others"),
  link: LinkId.optional().describe("Of vxlan: the link that it is on"),
  id: whole(1, 16_777_215, "Of vxlan: its number"),
  ageing: whole(1, 4_294_967, "Of vxlan: seconds for which an address is remembered"),
  aging: whole(1, 4_294_967, "Another spelling of ageing"),
  limit: whole(1, 4_294_967_295, "Of vxlan: most addresses"),
  "type-of-service": whole(1, 255, "Of vxlan: type of service of its packets"),
  "flow-label": whole(0, 1_048_575, "Of vxlan: flow label of its packets"),
  "do-not-fragment": flag("Of vxlan: whether its packets are not cut"),
  "short-circuit": flag("Of vxlan: whether it routes by itself"),
  "arp-proxy": flag("Of vxlan: whether it answers ARP for others"),
  "mac-learning": flag("Of vxlan: whether addresses are learned"),
  notifications: z
    .array(z.enum(["l2-miss", "l3-miss"]))
    .optional()
    .describe("Of vxlan: what is told to programs"),
  checksums: z
    .array(z.enum(["udp", "zero-udp6-tx", "zero-udp6-rx", "remote-tx", "remote-rx"]))
    .optional()
    .describe("Of vxlan: which sums are made"),
  extensions: z
    .array(z.enum(["group-policy", "generic-protocol"]))
    .optional()
    .describe("Of vxlan: extensions"),
  "port-range": z
    .tuple([Whole(1, 65_535), Whole(1, 65_535)])
    .optional()
    .describe("Of vxlan: ports that it sends from"),
});

const MODEMS = "modems need ModemManager and NetworkManager: write a keyfile with write_files";
const section = <T extends z.ZodType>(kind: T, what: string) => z.record(LinkId, kind).optional().describe(what);

/** Every key by itself; what they have to do with each other is checked apart. */
export const NetworkKeys = keys({
  version: z.literal(2).describe("Of netplan's format"),
  renderer: z
    .enum(["networkd", "NetworkManager"])
    .optional()
    .describe("Program that sets it up; default: the one that the image starts"),
  ethernets: section(Ethernet, "Wired interfaces, by a name of their own"),
  wifis: section(Wifi, "Wireless interfaces"),
  bonds: section(Bond, "Several links as one"),
  bridges: section(Bridge, "Switches"),
  vlans: section(Vlan, "Virtual networks on a link"),
  vrfs: section(Vrf, "Routing tables of their own"),
  "dummy-devices": section(Dummy, "Interfaces that lead nowhere"),
  "virtual-ethernets": section(Veth, "Pairs of interfaces"),
  tunnels: section(Tunnel, "Tunnels, WireGuard, VXLAN"),
  modems: refused(MODEMS),
  "nm-devices": refused("are NetworkManager's own: write a keyfile with write_files"),
  openvswitch: refused("Open vSwitch is not set up from here: it has its own database"),
});
export type NetworkConfig = z.output<typeof NetworkKeys>;

type Section<Name extends keyof NetworkConfig> =
  NonNullable<NetworkConfig[Name]> extends Record<string, infer Value> ? Value : never;
export type BondSettings = Section<"bonds">;
export type BridgeSettings = Section<"bridges">;
export type CommonSettings = Section<"dummy-devices">;
export type AuthSettings = z.output<typeof Auth>;
export type AccessPointSettings = z.output<typeof AccessPoint>;
export type RouteSettings = z.output<typeof Route>;
export type OverrideSettings = NonNullable<CommonSettings["dhcp4-overrides"]>;
