/** @portable Keyfiles of NetworkManager. Source: nm-settings-keyfile(5) */
import { MARK } from "../machine/compile/part.ts";
import { defaultScope, type NetworkProblem } from "./checks.ts";
import { familyOf, isEverywhere, prefixOf, type Family } from "./ip.ts";
import { bondOptions, hundredths } from "./kernel-options.ts";
import { addressesOf, interfaceName, isPhysical, linksOf, membershipOf, type Link, type Membership } from "./links.ts";
import type { AccessPointSettings, AuthSettings, BridgeSettings, NetworkConfig, RouteSettings } from "./netplan.ts";
import { udevFile } from "./networkd.ts";
import type { RenderedFile, RenderedNetwork } from "./rendered.ts";
import { sectionsText, type Entry, type Section } from "./sections.ts";

const FOLDER = "/etc/NetworkManager/system-connections";

const COMMON = [
  ...["addresses", "dhcp4", "dhcp6", "dhcp4-overrides", "dhcp6-overrides", "dhcp-identifier", "gateway4", "gateway6", "routes"],
  ...["routing-policy", "nameservers", "mtu", "macaddress", "optional", "accept-ra", "ipv6-privacy", "ipv6-address-generation"],
  ...["ipv6-address-token", "link-local", "activation-mode", "hairpin"],
];
const PHYSICAL = [
  ...["match", "set-name", "wakeonlan", "receive-checksum-offload", "transmit-checksum-offload", "tcp-segmentation-offload"],
  ...["tcp6-segmentation-offload", "generic-segmentation-offload", "generic-receive-offload", "large-receive-offload"],
];
export const NETWORK_MANAGER_KEYS: Readonly<Partial<Record<Link["kind"], readonly string[]>>> = {
  ethernets: [...COMMON, ...PHYSICAL, "auth"],
  wifis: [...COMMON, ...PHYSICAL, "access-points"],
  "dummy-devices": COMMON,
  bonds: [...COMMON, "interfaces", "parameters"],
  bridges: [...COMMON, "interfaces", "parameters"],
  vlans: [...COMMON, "id", "link"],
  vrfs: [...COMMON, "interfaces", "table"],
};
const TYPES = {
  ethernets: "ethernet",
  wifis: "wifi",
  "dummy-devices": "dummy",
  bonds: "bond",
  bridges: "bridge",
  vlans: "vlan",
  vrfs: "vrf",
} as const;
export const NETWORK_MANAGER_OVERRIDES = ["use-dns", "use-routes", "send-hostname", "hostname", "route-metric"];

export function renderNetworkManager(config: NetworkConfig): RenderedNetwork {
  const links = linksOf(config);
  const unsupported: NetworkProblem[] = [];
  const files: RenderedFile[] = [];
  for (const link of links) {
    const problems = whyNot(link);
    unsupported.push(...problems);
    if (problems.length > 0) continue;
    const membership = membershipOf(link.id, links);
    const named = isPhysical(link) ? udevFile(link) : undefined;
    if (named) files.push(named);
    const add = (name: string, ...more: readonly Section[]): void => {
      const sections = joined([...connection(link, name, links, membership), ...more]);
      files.push({ path: `${FOLDER}/${name}.nmconnection`, mode: 0o600, text: `${MARK}${sectionsText(sections)}` });
    };
    const name = `petrify-${link.id}`;
    if (link.kind !== "wifis") add(name, ...(link.kind === "ethernets" && link.is.auth ? [eap(link.is.auth)] : []));
    else
      for (const [index, [ssid, point]] of Object.entries(link.is["access-points"]).entries())
        add(`${name}-${index + 1}`, ...wireless(ssid, point));
  }
  return { files, supplicants: [], unsupported };
}

const HERE = "with NetworkManager, which this image sets up its network with";
function whyNot(link: Link): NetworkProblem[] {
  const { kind, id, is } = link;
  const supported = NETWORK_MANAGER_KEYS[kind];
  if (!supported) return [{ path: [kind, id], message: `cannot be made ${HERE}` }];
  const problems: NetworkProblem[] = [];
  const report = (path: NetworkProblem["path"], message: string): unknown =>
    problems.push({ path: [kind, id, ...path], message: `${message} ${HERE}` });
  for (const [key, value] of Object.entries(is))
    if (value !== undefined && !supported.includes(key)) report([key], "cannot be done");
  if (isPhysical(link) && link.is.match?.driver !== undefined && link.is["set-name"] === undefined)
    report(["match", "driver"], "needs set-name");
  if (is["activation-mode"] === "off") report(["activation-mode"], "can only be manual");
  for (const key of ["dhcp4-overrides", "dhcp6-overrides"] as const)
    for (const name of Object.keys(is[key] ?? {}))
      if (!NETWORK_MANAGER_OVERRIDES.includes(name)) report([key, name], "cannot be done");
  for (const [index, { label, deprecated }] of addressesOf(is).entries())
    if (label !== undefined || deprecated) report(["addresses", index], "cannot have options");
  for (const [index, policy] of (is["routing-policy"] ?? []).entries())
    if (policy.priority === undefined || (policy.from ?? policy.to) === undefined)
      report(["routing-policy", index], "needs a priority, and from or to");
  return problems;
}

/** Sections of one name are one; of two lines of one key the last counts. */
function joined(sections: readonly Section[]): Section[] {
  const byName = Map.groupBy(sections, ({ name }) => name);
  return Array.from(byName, ([name, parts]) => ({
    name,
    lines: [...new Map(parts.flatMap(({ lines }) => lines.map((line) => [line[0], line]))).values()],
  }));
}

/** Source: GLib, "Key-value file parser": `\` begins an escape, blanks at the start are lost */
const text = (value: string | undefined): string | undefined =>
  value?.replaceAll("\\", "\\\\").replace(/^ +/, (blanks) => "\\s".repeat(blanks.length));
const list = (values: readonly string[]): string | undefined => (values.length > 0 ? `${values.join(";")};` : undefined);

function connection(link: Link, name: string, links: readonly Link[], membership: Membership): Section[] {
  const { is, kind } = link;
  const type = TYPES[kind as keyof typeof TYPES];
  const called = interfaceName(link);
  const pattern = isPhysical(link) && link.is["set-name"] === undefined ? link.is.match?.name : undefined;
  const owner = membership.bond ?? membership.bridge ?? membership.vrf;
  const nameOf = (id: string): string => {
    const found = links.find((other) => other.id === id);
    return (found && interfaceName(found)) ?? id;
  };
  const hardware: Entry[] = [
    ["mac-address", isPhysical(link) && link.is["set-name"] === undefined ? link.is.match?.macaddress : undefined],
    ["cloned-mac-address", is.macaddress],
    ["mtu", is.mtu],
  ];
  return [
    {
      name: "connection",
      lines: [
        ["id", name],
        ["type", type],
        ["interface-name", called],
        ["autoconnect", is["activation-mode"] === "manual" ? false : undefined],
        ["master", owner?.id],
        ["slave-type", owner && TYPES[owner.kind]],
      ],
    },
    { name: "match", lines: [["interface-name", called === undefined && pattern !== undefined ? list([pattern]) : undefined]] },
    { name: isPhysical(link) ? type : "ethernet", lines: hardware },
    { name: "ethernet", lines: [["wake-on-lan", link.kind === "ethernets" ? wake(link.is.wakeonlan) : undefined]] },
    ...(link.kind === "bonds" ? [bond(link.is.parameters, nameOf)] : []),
    ...(link.kind === "bridges" ? [{ name: "bridge", lines: bridge(link.is.parameters) }] : []),
    {
      name: "vlan",
      lines:
        link.kind === "vlans"
          ? [
              ["id", link.is.id],
              ["parent", nameOf(link.is.link)],
            ]
          : [],
    },
    { name: "vrf", lines: link.kind === "vrfs" ? [["table", link.is.table]] : [] },
    {
      name: "bridge-port",
      lines: [
        ["path-cost", membership.bridge?.is.parameters?.["path-cost"]?.[link.id]],
        ["priority", membership.bridge?.is.parameters?.["port-priority"]?.[link.id]],
        ["hairpin-mode", membership.bridge ? is.hairpin : undefined],
      ],
    },
    // What is part of a bond or a bridge has no addresses of its own.
    ...(membership.bond || membership.bridge ? [] : [addressing(link, 4), addressing(link, 6)]),
  ];
}

/** NetworkManager's numbers: 64 is a magic packet, 32768 leaves it as it is. */
const wake = (on: boolean | undefined): number | undefined => (on === undefined ? undefined : on ? 64 : 0);

function bond(parameters: Parameters<typeof bondOptions>[0], nameOf: (id: string) => string): Section {
  const { primary } = parameters ?? {};
  const lines = bondOptions(parameters).map(([key, value]): Entry => [
    key,
    Array.isArray(value) ? value.join(",") : (value as string | number | undefined),
  ]);
  return { name: "bond", lines: [...lines, ["primary", primary === undefined ? undefined : nameOf(primary)]] };
}

const seconds = (value: string | number | undefined): number | undefined =>
  value === undefined ? undefined : Math.max(1, Math.round(hundredths(value) / 100));
const bridge = (is: BridgeSettings["parameters"]): Entry[] =>
  is
    ? [
        ["ageing-time", seconds(is["ageing-time"] ?? is["aging-time"])],
        ["priority", is.priority],
        ["forward-delay", seconds(is["forward-delay"])],
        ["hello-time", seconds(is["hello-time"])],
        ["max-age", seconds(is["max-age"])],
        ["stp", is.stp ?? true],
      ]
    : [["stp", false]];

function addressing(link: Link, family: Family): Section {
  const { is } = link;
  const addresses = addressesOf(is).filter((address) => address.family === family);
  const asks = is[`dhcp${family}`] === true;
  const overrides = asks ? (is[`dhcp${family}-overrides`] ?? {}) : {};
  const isLocal = (is["link-local"] ?? ["ipv6"]).includes(`ipv${family}`);
  const isAuto = asks || (family === 6 && is["accept-ra"] === true);
  const routes = (is.routes ?? []).filter((route) => routeFamily(route) === family);
  const rules = (is["routing-policy"] ?? []).filter(({ from, to }) => prefixOf(from ?? to ?? "", true)?.family === family);
  const table = link.kind === "vrfs" ? link.is.table : undefined;
  const method = isAuto ? "auto" : addresses.length > 0 ? "manual" : isLocal ? "link-local" : "disabled";
  const looksUp = method === "auto" || method === "manual";
  return {
    name: `ipv${family}`,
    lines: [
      ["method", method],
      ...addresses.map(({ cidr }, index): Entry => [`address${index + 1}`, cidr]),
      ["gateway", is[`gateway${family}`]],
      ["dns", list((is.nameservers?.addresses ?? []).filter((server) => familyOf(server) === family))],
      ["dns-search", looksUp ? list(is.nameservers?.search ?? []) : undefined],
      ...routes.flatMap((route, index): Entry[] => [
        [
          `route${index + 1}`,
          [isEverywhere(route.to) ? (family === 6 ? "::/0" : "0.0.0.0/0") : route.to, ...hop(route)].join(","),
        ],
        [`route${index + 1}_options`, options(route, table)],
      ]),
      ...rules.map((rule, index): Entry => [
        `routing-rule${index + 1}`,
        [
          ...["priority", rule.priority],
          ...["from", rule.from ?? (family === 6 ? "::/0" : "0.0.0.0/0")],
          ...(rule.to === undefined ? [] : ["to", rule.to]),
          ...(rule.mark === undefined ? [] : ["fwmark", rule.mark]),
          ...(rule["type-of-service"] === undefined ? [] : ["tos", `0x${rule["type-of-service"].toString(16)}`]),
          ...["table", rule.table ?? table ?? 254],
        ].join(" "),
      ]),
      ["route-metric", overrides["route-metric"]],
      ["ignore-auto-dns", overrides["use-dns"] === false ? true : undefined],
      ["ignore-auto-routes", overrides["use-routes"] === false ? true : undefined],
      ["never-default", overrides["use-routes"] === false ? true : undefined],
      ["dhcp-send-hostname", overrides["send-hostname"] === false ? false : undefined],
      ["dhcp-hostname", overrides.hostname],
      ["dhcp-client-id", family === 4 && asks ? is["dhcp-identifier"] : undefined],
      ...(family === 6 ? six(is["ipv6-privacy"], is["ipv6-address-generation"], is["ipv6-address-token"]) : []),
    ],
  };
}

const six = (privacy: boolean | undefined, generation: string | undefined, token: string | undefined): Entry[] => [
  ["ip6-privacy", privacy === undefined ? undefined : privacy ? 2 : 0],
  ["addr-gen-mode", token === undefined ? generation : "eui64"],
  ["token", token],
];

const routeFamily = ({ to, via, from }: RouteSettings): Family | undefined =>
  familyOf(via ?? from ?? "") ?? prefixOf(to, true)?.family;
const hop = ({ via, metric }: RouteSettings): (string | number)[] => {
  if (via !== undefined) return metric === undefined ? [via] : [via, metric];
  return metric === undefined ? [] : ["", metric];
};
function options(route: RouteSettings, vrf: number | undefined): string | undefined {
  const { type = "unicast", scope = defaultScope(route) } = route;
  const table = route.table ?? vrf;
  const all = [
    ...(route["on-link"] === true ? ["onlink=true"] : []),
    ...(table === undefined ? [] : [`table=${table}`]),
    ...(route.mtu === undefined ? [] : [`mtu=${route.mtu}`]),
    ...(route.from === undefined ? [] : [`src=${route.from}`]),
    ...(type === "unicast" ? [] : [`type=${type}`]),
    ...(scope === "host" && type !== "local" ? ["scope=254"] : []),
    ...(route["congestion-window"] === undefined ? [] : [`initcwnd=${route["congestion-window"]}`]),
    ...(route["advertised-receive-window"] === undefined ? [] : [`initrwnd=${route["advertised-receive-window"]}`]),
    ...(route["advertised-mss"] === undefined ? [] : [`advmss=${route["advertised-mss"]}`]),
  ];
  return all.length > 0 ? all.join(",") : undefined;
}

/** Of a name its bytes: text with semicolons would be taken for bytes itself. */
const bytes = (value: string): string => `${[...new TextEncoder().encode(value)].join(";")};`;
const MODES = { infrastructure: "infrastructure", ap: "ap", adhoc: "adhoc" } as const;

function wireless(ssid: string, point: AccessPointSettings): Section[] {
  const { mode = "infrastructure", band, channel, password, auth } = point;
  const lines: Entry[] = [
    ["ssid", bytes(ssid)],
    ["mode", MODES[mode]],
    ["bssid", point.bssid],
    ["band", band === undefined ? undefined : band.startsWith("5") ? "a" : "bg"],
    ["channel", channel],
    ["hidden", point.hidden === true ? true : undefined],
  ];
  const shared: Section[] = mode === "ap" ? [{ name: "ipv4", lines: [["method", "shared"]] }] : [];
  if (password !== undefined) return [{ name: "wifi", lines }, security("wpa-psk", OPTIONAL, password), ...shared];
  const how = auth?.["key-management"] ?? "none";
  if (!auth || how === "none") return [{ name: "wifi", lines }, ...shared];
  if (how === "psk") return [{ name: "wifi", lines }, security("wpa-psk", undefined, auth.password), ...shared];
  if (how === "psk-sha256") return [{ name: "wifi", lines }, security("wpa-psk", OPTIONAL, auth.password), ...shared];
  if (how === "sae") return [{ name: "wifi", lines }, security("sae", REQUIRED, auth.password), ...shared];
  const management = how === "eap-suite-b-192" ? "wpa-eap-suite-b-192" : how === "802.1x" ? "ieee8021x" : "wpa-eap";
  return [
    { name: "wifi", lines },
    security(management, how === "eap-sha256" ? OPTIONAL : how === "eap-suite-b-192" ? REQUIRED : undefined),
    eap(auth),
    ...shared,
  ];
}
/** Whether frames that manage a connection are protected. */
const [OPTIONAL, REQUIRED] = [2, 3];
const security = (management: string, frames: number | undefined, psk?: string): Section => ({
  name: "wifi-security",
  lines: [
    ["key-mgmt", management],
    ["pmf", frames],
    ["psk", text(psk)],
  ],
});

const eap = (auth: AuthSettings): Section => ({
  name: "802-1x",
  lines: [
    ["eap", auth.method === undefined ? undefined : `${auth.method};`],
    ["identity", text(auth.identity)],
    ["anonymous-identity", text(auth["anonymous-identity"])],
    ["password", text(auth.password)],
    ["ca-cert", text(auth["ca-certificate"])],
    ["client-cert", text(auth["client-certificate"])],
    ["private-key", text(auth["client-key"])],
    ["private-key-password", text(auth["client-key-password"])],
    ["phase2-auth", auth["phase2-auth"]?.toLowerCase()],
  ],
});
