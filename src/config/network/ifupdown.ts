/**
 * @portable `/etc/network/interfaces`, in the part of its language that Debian's ifupdown, ifupdown-ng and busybox have in common. Links are made with
 * ip(8), which needs no further package. Source: interfaces(5)
 */
import { MARK } from "../machine/compile/part.ts";
import { defaultScope, type NetworkProblem } from "./checks.ts";
import { familyOf, isEverywhere, prefixOf } from "./ip.ts";
import { addressesOf, interfaceName, isPhysical, linksOf, membersOf, membershipOf, type Link } from "./links.ts";
import type { BondSettings, BridgeSettings, NetworkConfig, RouteSettings } from "./netplan.ts";
import type { RenderedFile, RenderedNetwork, Supplicant } from "./rendered.ts";
import { oneLine } from "./sections.ts";
import { bondOptions, hundredths } from "./kernel-options.ts";
import { supplicantFile } from "./supplicant.ts";

const INTERFACES = "/etc/network/interfaces";

/** Keys that come to something here, or that ask for what is so anyway. */
const COMMON = [
  ...["addresses", "dhcp4", "dhcp6", "gateway4", "gateway6", "routes", "routing-policy", "nameservers", "mtu", "macaddress"],
  ...["optional", "accept-ra", "activation-mode", "ipv6-privacy"],
];
export const IFUPDOWN_KEYS: Readonly<Partial<Record<Link["kind"], readonly string[]>>> = {
  ethernets: [...COMMON, "match", "auth"],
  wifis: [...COMMON, "match", "access-points", "regulatory-domain"],
  "dummy-devices": COMMON,
  bonds: [...COMMON, "interfaces", "parameters"],
  bridges: [...COMMON, "interfaces", "parameters"],
  vlans: [...COMMON, "id", "link"],
};
const ROUTE = ["to", "via", "from", "on-link", "metric", "type", "scope", "table", "mtu"];

export function renderIfupdown(config: NetworkConfig): RenderedNetwork {
  const links = linksOf(config);
  const unsupported: NetworkProblem[] = [];
  const supplicants: Supplicant[] = [];
  const files: RenderedFile[] = [];
  const stanzas: string[] = [];
  for (const link of inOrder(links)) {
    const problems = whyNot(link);
    const supplicant = isPhysical(link) && problems.length === 0 ? supplicantFile(link) : undefined;
    unsupported.push(...problems, ...(supplicant?.unsupported ?? []));
    const name = interfaceName(link);
    if (name === undefined || problems.length > 0) continue;
    if (supplicant?.file) files.push(supplicant.file);
    if (supplicant?.supplicant) supplicants.push(supplicant.supplicant);
    stanzas.push(stanza(link, name, links));
  }
  const text = `${MARK}${["auto lo\niface lo inet loopback\n", ...stanzas].join("\n")}`;
  return { files: [{ path: INTERFACES, mode: 0o644, text }, ...files], supplicants, unsupported };
}

const HINT = "with ifupdown, which this image sets up its network with";
function whyNot(link: Link): NetworkProblem[] {
  const { kind, id, is } = link;
  const supported = IFUPDOWN_KEYS[kind];
  if (!supported) return [{ path: [kind, id], message: `cannot be made ${HINT}` }];
  const given = Object.entries(is).filter(([, value]) => value !== undefined);
  const problems: NetworkProblem[] = given
    .filter(([key]) => !supported.includes(key))
    .map(([key]) => ({ path: [kind, id, key], message: `cannot be done ${HINT}` }));
  if (interfaceName(link) === undefined)
    problems.push({ path: [kind, id, "match"], message: `must be a name without a pattern ${HINT}` });
  if (isPhysical(link) && (link.is.match?.driver ?? link.is.match?.macaddress) !== undefined)
    problems.push({ path: [kind, id, "match"], message: `can only be a name ${HINT}` });
  for (const [index, route] of (is.routes ?? []).entries())
    for (const key of Object.keys(route))
      if (!ROUTE.includes(key)) problems.push({ path: [kind, id, "routes", index, key], message: `cannot be done ${HINT}` });
  for (const [index, { label, deprecated }] of addressesOf(is).entries())
    if (label !== undefined || deprecated)
      problems.push({ path: [kind, id, "addresses", index], message: `cannot have options ${HINT}` });
  if (is.macaddress !== undefined && !is.macaddress.includes(":"))
    problems.push({ path: [kind, id, "macaddress"], message: `must be an address ${HINT}` });
  return problems;
}

/** What something is made of comes before it. */
function inOrder(links: readonly Link[]): Link[] {
  const byId = new Map(links.map((link) => [link.id, link]));
  const ordered = new Set<Link>();
  const visit = (link: Link, depth: number): void => {
    if (ordered.has(link) || depth > links.length) return;
    for (const id of [...membersOf(link), ...(link.kind === "vlans" ? [link.is.link] : [])]) {
      const under = byId.get(id);
      if (under) visit(under, depth + 1);
    }
    ordered.add(link);
  };
  for (const link of links) visit(link, 0);
  return [...ordered];
}

function stanza(link: Link, name: string, links: readonly Link[]): string {
  const { is } = link;
  const { bond, bridge } = membershipOf(link.id, links);
  const before = [
    ...creation(link, name, links),
    ...(is.macaddress === undefined ? [] : [`pre-up ip link set dev ${name} address ${is.macaddress.toLowerCase()}`]),
    ...(is.mtu === undefined ? [] : [`pre-up ip link set dev ${name} mtu ${is.mtu}`]),
    ...(is["accept-ra"] === undefined ? [] : [sysctl(name, "accept_ra", is["accept-ra"] ? 2 : 0)]),
    ...(is["ipv6-privacy"] === undefined ? [] : [sysctl(name, "use_tempaddr", is["ipv6-privacy"] ? 2 : 0)]),
    ...(isPhysical(link) && supplicantFile(link).supplicant ? [`wpa-conf ${supplicantFile(link).file!.path}`] : []),
  ];
  const after = [
    ...gateways(link).map((route) => `up ip ${routeWords(route, name)}`),
    ...(is.routes ?? []).map((route) => `up ip ${routeWords(route, name)}`),
    ...(is["routing-policy"] ?? []).map((policy) => {
      const family = policy.from ?? policy.to;
      const words = [
        ...["from", policy.from ?? "all"],
        ...(policy.to === undefined ? [] : ["to", policy.to]),
        ...(policy.mark === undefined ? [] : ["fwmark", policy.mark]),
        ...(policy["type-of-service"] === undefined ? [] : ["tos", policy["type-of-service"]]),
        ...(policy.table === undefined ? [] : ["table", policy.table]),
        ...(policy.priority === undefined ? [] : ["pref", policy.priority]),
      ];
      return `up ip ${family !== undefined && prefixOf(family, true)?.family === 6 ? "-6 " : ""}rule add ${words.join(" ")}`;
    }),
  ];
  const methods = [
    ...(is.dhcp4 === true ? [["inet dhcp"]] : []),
    ...addressesOf(is).map(({ cidr, family }) => [`${family === 4 ? "inet" : "inet6"} static`, `address ${cidr}`]),
    ...(is.dhcp6 === true ? [["inet6 dhcp"]] : []),
  ];
  const isMember = bond !== undefined || bridge !== undefined;
  if (methods.length === 0) methods.push(["inet manual", ...(isMember ? [] : [`up ip link set dev ${name} up`])]);
  const blocks = methods.map(([method = "", ...lines], index) => {
    const all = [...(index === 0 ? before : []), ...lines, ...(index === methods.length - 1 ? after : [])];
    return `iface ${name} ${method}\n${all.map((line) => `    ${oneLine(line)}\n`).join("")}`;
  });
  const auto = is["activation-mode"] === undefined ? `auto ${oneLine(name)}\n` : "";
  return `${auto}${blocks.join("")}`;
}

const sysctl = (name: string, key: string, value: number): string =>
  `pre-up echo ${value} > /proc/sys/net/ipv6/conf/${name}/${key}`;

const gateways = ({ is }: Link): RouteSettings[] =>
  [is.gateway4, is.gateway6].flatMap((via) => (via === undefined ? [] : [{ to: "default", via }]));

/** All of it has been checked to be numbers, addresses and names: nothing in it means anything to a shell. */
function routeWords(route: RouteSettings, name: string): string {
  const { to, via, from, type = "unicast", metric, table, mtu, scope = defaultScope(route) } = route;
  const isSix = familyOf(via ?? from ?? "") === 6 || prefixOf(to, true)?.family === 6;
  const leadsNowhere = ["blackhole", "unreachable", "prohibit", "throw"].includes(type);
  const words = [
    ...(isSix ? ["-6"] : []),
    ...["route", "add"],
    ...(type === "unicast" ? [] : [type]),
    isEverywhere(to) ? "default" : to,
    ...(via === undefined ? [] : ["via", via]),
    ...(leadsNowhere ? [] : ["dev", name]),
    ...(from === undefined ? [] : ["src", from]),
    ...(metric === undefined ? [] : ["metric", metric]),
    ...(table === undefined ? [] : ["table", table]),
    ...(mtu === undefined ? [] : ["mtu", mtu]),
    ...(scope === "global" || isSix || via !== undefined ? [] : ["scope", scope]),
    ...(route["on-link"] === true ? ["onlink"] : []),
  ];
  return words.join(" ");
}

/** What makes a link that is not there by itself. */
function creation(link: Link, name: string, links: readonly Link[]): string[] {
  const byId = new Map(links.map((one) => [one.id, one]));
  const nameOf = (id: string): string => {
    const found = byId.get(id);
    return (found && interfaceName(found)) ?? id;
  };
  const make = (words: string): string[] => [`pre-up ip link add ${words} || true`, `post-down ip link del dev ${name} || true`];
  const ports = membersOf(link)
    .map(nameOf)
    .flatMap((port) => ["down", `master ${name}`, "up"].map((state) => `pre-up ip link set dev ${port} ${state}`));
  switch (link.kind) {
    case "dummy-devices":
      return make(`name ${name} type dummy`);
    case "vlans":
      return make(`link ${nameOf(link.is.link)} name ${name} type vlan id ${link.is.id}`);
    case "bonds": {
      const { primary } = link.is.parameters ?? {};
      const first = primary === undefined ? [] : [`pre-up echo ${nameOf(primary)} > /sys/class/net/${name}/bonding/primary`];
      return [...make(`name ${name} type bond`), ...bondParameters(name, link.is.parameters), ...ports, ...first];
    }
    case "bridges":
      return [
        ...make(`name ${name} type bridge`),
        ...bridgeParameters(name, link.is.parameters),
        ...ports,
        ...portParameters(link.is.parameters, nameOf),
      ];
    case "ethernets":
    case "wifis":
    case "virtual-ethernets":
    case "vrfs":
    case "tunnels":
      return [];
  }
}

const centiseconds = (value: string | number | undefined): number | undefined =>
  value === undefined ? undefined : hundredths(value);
const echo = (value: string | number | undefined, path: string): string[] =>
  value === undefined ? [] : [`pre-up echo ${value} > /sys/class/net/${path}`];

/** Times are in hundredths of a second there. */
function bridgeParameters(name: string, is: BridgeSettings["parameters"]): string[] {
  if (!is) return [];
  return [
    ...echo(Number(is.stp ?? true), `${name}/bridge/stp_state`),
    ...echo(is.priority, `${name}/bridge/priority`),
    ...echo(centiseconds(is["ageing-time"] ?? is["aging-time"]), `${name}/bridge/ageing_time`),
    ...echo(centiseconds(is["forward-delay"]), `${name}/bridge/forward_delay`),
    ...echo(centiseconds(is["hello-time"]), `${name}/bridge/hello_time`),
    ...echo(centiseconds(is["max-age"]), `${name}/bridge/max_age`),
  ];
}
const portParameters = (is: BridgeSettings["parameters"], nameOf: (id: string) => string): string[] => [
  ...Object.entries(is?.["path-cost"] ?? {}).flatMap(([port, cost]) => echo(cost, `${nameOf(port)}/brport/path_cost`)),
  ...Object.entries(is?.["port-priority"] ?? {}).flatMap(([port, priority]) => echo(priority, `${nameOf(port)}/brport/priority`)),
];

const bondParameters = (name: string, is: BondSettings["parameters"]): string[] =>
  bondOptions(is).flatMap(([key, value]) =>
    [value].flat().flatMap((one) => echo(Array.isArray(value) ? `+${one}` : one, `${name}/bonding/${key}`)),
  );
