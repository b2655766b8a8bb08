/** @portable Files of systemd-networkd and udev. Source: systemd.link(5), systemd.netdev(5), systemd.network(5), systemd 250 and later */
import { MARK } from "../machine/compile/part.ts";
import { defaultScope, type NetworkProblem } from "./checks.ts";
import { familyOf } from "./ip.ts";
import {
  addressesOf,
  interfaceName,
  isPhysical,
  linksOf,
  membershipOf,
  type Link,
  type Membership,
  type PhysicalLink,
} from "./links.ts";
import type { CommonSettings, NetworkConfig, OverrideSettings } from "./netplan.ts";
import { netdevSections } from "./networkd-netdev.ts";
import type { RenderedFile, RenderedNetwork, Supplicant } from "./rendered.ts";
import { sectionsText, yesNo, type Entry, type Section } from "./sections.ts";
import { supplicantFile } from "./supplicant.ts";

export const NETWORKD_FOLDER = "/etc/systemd/network";
/** networkd's own; whatever holds a key is for it alone. */
const OWNER = "root:systemd-network";

export function renderNetworkd(config: NetworkConfig): RenderedNetwork {
  const links = linksOf(config);
  const files: RenderedFile[] = [];
  const supplicants: Supplicant[] = [];
  const unsupported: NetworkProblem[] = [];
  for (const link of links) {
    const base = `${NETWORKD_FOLDER}/${fileName(link)}`;
    const add = (type: string, sections: readonly (Section | undefined)[], isSecret = false): void => {
      const text = sectionsText(sections, ["Match"]);
      files.push({
        path: `${base}.${type}`,
        mode: isSecret ? 0o640 : 0o644,
        text: `${MARK}${text}`,
        ...(isSecret && { owner: OWNER }),
      });
    };
    const membership = membershipOf(link.id, links);
    if (isPhysical(link)) {
      const named = udevFile(link);
      if (named) files.push(named);
      const supplicant = supplicantFile(link);
      if (supplicant.file) files.push(supplicant.file);
      if (supplicant.supplicant) supplicants.push(supplicant.supplicant);
      unsupported.push(...supplicant.unsupported);
    } else {
      const netdev = netdevSections(link);
      if (netdev) add("netdev", netdev, link.kind === "tunnels");
    }
    add("network", networkFile(link, membership));
  }
  return { files, supplicants, unsupported };
}

/** The first file that fits an interface counts: those of one interface come before those of several. */
const fileName = (link: Link): string => `${interfaceName(link) === undefined ? 11 : 10}-petrify-${link.id}`;

function match({ id, is }: PhysicalLink, name: "OriginalName" | "Name"): Entry[] {
  const { match: wanted, "set-name": renamed } = is;
  if (!wanted) return [[name, id]];
  const drivers = wanted.driver === undefined ? undefined : [wanted.driver].flat().join(" ");
  const called = name === "Name" && renamed !== undefined ? renamed : wanted.name;
  const isAny = drivers === undefined && wanted.macaddress === undefined && called === undefined;
  return [
    ["Driver", drivers],
    // Links that are made on top of it have its address, too.
    ["PermanentMACAddress", wanted.macaddress?.toLowerCase()],
    [name, isAny ? "*" : called],
  ];
}

const OFFLOADS = {
  "receive-checksum-offload": "ReceiveChecksumOffload",
  "transmit-checksum-offload": "TransmitChecksumOffload",
  "tcp-segmentation-offload": "TCPSegmentationOffload",
  "tcp6-segmentation-offload": "TCP6SegmentationOffload",
  "generic-segmentation-offload": "GenericSegmentationOffload",
  "generic-receive-offload": "GenericReceiveOffload",
  "large-receive-offload": "LargeReceiveOffload",
} as const;

/** For udev, whichever program sets up the network: the name, and what is set before a link is up. Nothing where nothing of it is said. */
export function udevFile(link: PhysicalLink): RenderedFile | undefined {
  const lines = linkSettings(link);
  if (lines.length === 0) return undefined;
  const sections = [
    { name: "Match", lines: match(link, "OriginalName") },
    { name: "Link", lines },
  ];
  return { path: `${NETWORKD_FOLDER}/${fileName(link)}.link`, mode: 0o644, text: `${MARK}${sectionsText(sections)}` };
}

/** What udev sets by itself, systemd's own file says: this one takes its place. */
function linkSettings({ is }: PhysicalLink): Entry[] {
  const offloads = Object.entries(OFFLOADS).map(([key, name]): Entry => [name, yesNo(is[key as keyof typeof OFFLOADS])]);
  const special = is.macaddress === "permanent" ? "persistent" : is.macaddress === "random" ? "random" : undefined;
  const said: Entry[] = [
    ["Name", is["set-name"]],
    ["WakeOnLan", is.wakeonlan === undefined ? undefined : is.wakeonlan ? "magic" : "off"],
    ["MTUBytes", is.mtu],
    ...offloads,
  ];
  if (special === undefined && said.every(([, value]) => value === undefined)) return [];
  const naming: Entry[] = is["set-name"] === undefined ? [["NamePolicy", "keep kernel database onboard slot path"]] : [];
  return [
    ...naming,
    ["AlternativeNamesPolicy", "database onboard slot path mac"],
    ["MACAddressPolicy", special ?? "persistent"],
    ...said,
  ];
}

function networkFile(link: Link, membership: Membership): Section[] {
  const { is } = link;
  const { bond, bridge } = membership;
  const primary = bond?.is.parameters?.primary === link.id;
  return [
    { name: "Match", lines: isPhysical(link) ? match(link, "Name") : [["Name", link.id]] },
    {
      name: "Link",
      lines: [
        ["ActivationPolicy", is["activation-mode"] === "off" ? "always-down" : is["activation-mode"]],
        ["MTUBytes", is.mtu],
        ["MACAddress", is.macaddress?.includes(":") === true ? is.macaddress.toLowerCase() : undefined],
        ["RequiredForOnline", is.optional === true || is["activation-mode"] !== undefined ? "no" : undefined],
      ],
    },
    {
      name: "Network",
      lines: [
        ["EmitLLDP", isPhysical(link) && is["emit-lldp" as keyof typeof is] === true ? "yes" : undefined],
        ["DHCP", dhcp(is)],
        ["LinkLocalAddressing", bond || bridge ? "no" : linkLocal(is)],
        ...addressesOf(is)
          .filter(({ label, deprecated }) => label === undefined && !deprecated)
          .map(({ cidr }): Entry => ["Address", cidr]),
        ["IPv6AcceptRA", yesNo(is["accept-ra"])],
        ["IPv6PrivacyExtensions", is["ipv6-privacy"] === true ? "yes" : undefined],
        ...(is.nameservers?.addresses ?? []).map((address): Entry => ["DNS", address]),
        ["Domains", is.nameservers?.search?.length ? is.nameservers.search.join(" ") : undefined],
        ["IPv6MTUBytes", is["ipv6-mtu"]],
        ["ConfigureWithoutCarrier", !isPhysical(link) || is["ignore-carrier"] === true ? "yes" : undefined],
        ["KeepConfiguration", is.critical === true ? "yes" : undefined],
        ["Bridge", bridge?.id],
        ["Bond", bond?.id],
        ["PrimarySlave", primary ? "yes" : undefined],
        ["VRF", membership.vrf?.id],
        ...membership.vlans.map(({ id }): Entry => ["VLAN", id]),
        ...membership.vxlans.map(({ id }): Entry => ["VXLAN", id]),
      ],
    },
    {
      name: "Bridge",
      lines: bridge
        ? [
            ["Cost", bridge.is.parameters?.["path-cost"]?.[link.id]],
            ["Priority", bridge.is.parameters?.["port-priority"]?.[link.id]],
            ["HairPin", yesNo(is.hairpin)],
            ["Learning", yesNo(is["port-mac-learning"])],
            ["NeighborSuppression", yesNo(is["neigh-suppress"])],
          ]
        : [],
    },
    ...addressesOf(is)
      .filter(({ label, deprecated }) => label !== undefined || deprecated)
      .map(({ cidr, label, deprecated }): Section => ({
        name: "Address",
        lines: [
          ["Address", cidr],
          ["PreferredLifetime", deprecated ? 0 : undefined],
          ["Label", label],
        ],
      })),
    ...routeSections(link),
    ...policySections(link),
    ...dhcpSections(link),
    { name: "IPv6AcceptRA", lines: advertisements(link) },
  ];
}

function dhcp({ dhcp4 = false, dhcp6 = false }: CommonSettings): string | undefined {
  if (dhcp4 && dhcp6) return "yes";
  return dhcp4 ? "ipv4" : dhcp6 ? "ipv6" : undefined;
}

function linkLocal({ "link-local": which = ["ipv6"] }: CommonSettings): string {
  if (which.includes("ipv4") && which.includes("ipv6")) return "yes";
  return which[0] ?? "no";
}

function routeSections(link: Link): Section[] {
  const { is } = link;
  const vrf = link.kind === "vrfs" ? link.is.table : undefined;
  const gateways = [is.gateway4, is.gateway6].flatMap((via): Section[] =>
    via === undefined ? [] : [{ name: "Route", lines: [["Gateway", via]] }],
  );
  const routes = (is.routes ?? []).map((route): Section => {
    const { to, via, from, type = "unicast", scope = defaultScope(route) } = route;
    const family = familyOf(via ?? from ?? "");
    return {
      name: "Route",
      lines: [
        ["Destination", to === "default" ? (family === 6 ? "::/0" : "0.0.0.0/0") : to],
        ["Gateway", via],
        ["PreferredSource", from],
        ["Scope", scope === "global" ? undefined : scope],
        ["Type", type === "unicast" ? undefined : type],
        ["GatewayOnLink", route["on-link"] === true ? "yes" : undefined],
        ["Metric", route.metric],
        ["Table", route.table ?? vrf],
        ["MTUBytes", route.mtu],
        ["InitialCongestionWindow", route["congestion-window"]],
        ["InitialAdvertisedReceiveWindow", route["advertised-receive-window"]],
        ["TCPAdvertisedMaximumSegmentSize", route["advertised-mss"]],
      ],
    };
  });
  return [...gateways, ...routes];
}

function policySections(link: Link): Section[] {
  const vrf = link.kind === "vrfs" ? link.is.table : undefined;
  return (link.is["routing-policy"] ?? []).map((policy): Section => ({
    name: "RoutingPolicyRule",
    lines: [
      ["From", policy.from],
      ["To", policy.to],
      ["Table", policy.table ?? vrf],
      ["Priority", policy.priority],
      ["FirewallMark", policy.mark],
      ["TypeOfService", policy["type-of-service"]],
      // Without an address it is for packets of both.
      ["Family", policy.from === undefined && policy.to === undefined ? "both" : undefined],
    ],
  }));
}

/** What both clients know. */
const answers = (overrides: OverrideSettings): Entry[] => [
  ["UseDNS", overrides["use-dns"] === false ? "no" : undefined],
  ["UseDomains", domains(overrides["use-domains"])],
  ["UseNTP", overrides["use-ntp"] === false ? "no" : undefined],
  ["SendHostname", overrides["send-hostname"] === false ? "no" : undefined],
  ["UseHostname", overrides["use-hostname"] === false ? "no" : undefined],
  ["Hostname", overrides.hostname],
];
const domains = (use: boolean | "route" | undefined): string | undefined => (typeof use === "boolean" ? yesNo(use) : use);

function dhcpSections({ kind, is }: Link): Section[] {
  const sections: Section[] = [];
  if (is.dhcp4 === true) {
    const overrides = is["dhcp4-overrides"] ?? {};
    sections.push({
      name: "DHCPv4",
      lines: [
        ["ClientIdentifier", is["dhcp-identifier"] === "mac" ? "mac" : undefined],
        ["RouteMetric", overrides["route-metric"] ?? routeMetric(kind)],
        // networkd's own default is not to take it; clouds need it.
        ["UseMTU", yesNo(overrides["use-mtu"] ?? true)],
        ["UseRoutes", overrides["use-routes"] === false ? "no" : undefined],
        ...answers(overrides),
      ],
    });
  }
  if (is.dhcp6 === true) sections.push({ name: "DHCPv6", lines: answers(is["dhcp6-overrides"] ?? {}) });
  return sections;
}
const routeMetric = (kind: Link["kind"]): number => (kind === "wifis" ? 600 : 100);

/** Routes of IPv6 come from routers, whoever gives the address. */
function advertisements({ kind, is }: Link): Entry[] {
  const { "use-dns": dns, "use-domains": searched, table } = is["ra-overrides"] ?? {};
  const overrides = is.dhcp6 === true ? (is["dhcp6-overrides"] ?? {}) : {};
  return [
    [
      "Token",
      is["ipv6-address-token"] === undefined
        ? is["ipv6-address-generation"] === "stable-privacy"
          ? "prefixstable"
          : undefined
        : `static:${is["ipv6-address-token"]}`,
    ],
    ["RouteMetric", is.dhcp6 === true ? (overrides["route-metric"] ?? routeMetric(kind)) : undefined],
    ["UseMTU", overrides["use-mtu"] === false ? "no" : undefined],
    ["UseGateway", overrides["use-routes"] === false ? "no" : undefined],
    ["UseRoutePrefix", overrides["use-routes"] === false ? "no" : undefined],
    ["UseDNS", yesNo(dns)],
    ["UseDomains", domains(searched)],
    ["RouteTable", table],
  ];
}
