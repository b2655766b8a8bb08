/** @portable What the parts of a network have to do with each other. */
import type { Path } from "../issue-text.ts";
import { nearest } from "../nearest.ts";
import { channelsOf } from "./channels.ts";
import { addressKey, familyOf, isEverywhere, prefixOf, type Family } from "./ip.ts";
import { addressesOf, interfaceName, isPhysical, linksOf, membersOf, type Link, type LinkOf } from "./links.ts";
import type { AccessPointSettings, AuthSettings, CommonSettings, NetworkConfig, RouteSettings } from "./netplan.ts";
import { isInterfaceName } from "./words.ts";

export interface NetworkProblem {
  /** Below `network`. */
  readonly path: Path;
  /** The end of a sentence that starts with the path. Never a secret. */
  readonly message: string;
}
type Problem = NetworkProblem;
/** Longer, and a document cannot be judged in time. */
const MOST_LINKS = 5000;

export function checkNetwork(config: NetworkConfig): Problem[] {
  const links = linksOf(config);
  if (links.length > MOST_LINKS) return [{ path: [], message: `must not describe more than ${MOST_LINKS} links` }];
  return [
    ...names(links),
    ...references(links),
    ...circles(links),
    ...links.flatMap((link) => [...ofLink(link), ...addresses(link), ...routes(link)].map((problem) => below(link, problem))),
    ...defaultRoutes(links),
  ];
}

const below = ({ kind, id }: Link, { path, message }: Problem): Problem => ({ path: [kind, id, ...path], message });

function names(links: readonly Link[]): Problem[] {
  const problems: Problem[] = [];
  const ids = new Map<string, Link>();
  const interfaces = new Map<string, Link>();
  for (const link of links) {
    const { kind, id } = link;
    const before = ids.get(id);
    if (before) problems.push({ path: [kind, id], message: `is described in ${before.kind}, too` });
    ids.set(id, link);
    const name = interfaceName(link);
    if (name === undefined) continue;
    if (name === id && !isInterfaceName(name)) {
      const needs = isPhysical(link) ? "without `match` " : "";
      problems.push({
        path: [kind, id],
        message: `${needs}must be a name that an interface may have: at most 15 characters, not only digits`,
      });
    }
    const other = interfaces.get(name);
    if (other && other.id !== id)
      problems.push({ path: [kind, id], message: `is the interface ${name}, as ${other.kind}.${other.id} is` });
    interfaces.set(name, link);
  }
  return problems;
}

interface Reference {
  readonly path: Path;
  readonly to: string;
}
/** What a link is made of, or stands on. */
function under(link: Link): Reference[] {
  switch (link.kind) {
    case "bonds":
    case "bridges":
    case "vrfs":
      return membersOf(link).map((to, index) => ({ path: ["interfaces", index], to }));
    case "vlans":
      return [{ path: ["link"], to: link.is.link }];
    case "tunnels":
      return link.is.link === undefined ? [] : [{ path: ["link"], to: link.is.link }];
    case "ethernets":
    case "wifis":
    case "dummy-devices":
    case "virtual-ethernets":
      return [];
  }
}

function references(links: readonly Link[]): Problem[] {
  const byId = new Map(links.map((link) => [link.id, link]));
  const ids = [...byId.keys()];
  const problems: Problem[] = [];
  const report = (link: Link, path: Path, message: string): unknown => problems.push(below(link, { path, message }));
  const missing = (to: string): string => {
    const meant = ids.length > 200 ? undefined : nearest(to, ids);
    return `names a link that is described nowhere${meant === undefined ? "" : `, did you mean ${meant}?`}`;
  };
  const owners = new Map<string, Link>();
  for (const link of links) {
    for (const { path, to } of under(link)) {
      const target = byId.get(to);
      if (!target) report(link, path, missing(to));
      else if (link.kind === "bonds" || link.kind === "bridges") {
        const owner = owners.get(to);
        if (owner) report(link, path, owner === link ? `names ${to} twice` : `names ${to}, which is part of ${owner.id} already`);
        owners.set(to, link);
        if (["vrfs", ...(link.kind === "bonds" ? ["bonds", "bridges"] : ["bridges"])].includes(target.kind))
          report(link, path, `names ${to}, which cannot be part of one: it is in ${target.kind}`);
        const name = isPhysical(target) && target.is.match !== undefined && interfaceName(target) === undefined;
        if (name && link.kind === "bonds" && target.is.match?.name === undefined && target.is.match?.macaddress === undefined)
          report(link, path, `names ${to}, which may be every interface: give its match a name or a macaddress`);
      }
    }
    problems.push(...insideMembers(link).map((problem) => below(link, problem)));
    if (link.kind === "virtual-ethernets") {
      const peer = byId.get(link.is.peer);
      if (!peer) report(link, ["peer"], missing(link.is.peer));
      else if (peer.kind !== "virtual-ethernets" || peer.is.peer !== link.id || peer === link)
        report(link, ["peer"], `names ${peer.id}, whose peer is not ${link.id}`);
    }
  }
  const inVrf = new Map<string, string>();
  for (const link of links) {
    if (link.kind !== "vrfs") continue;
    for (const [index, to] of (link.is.interfaces ?? []).entries()) {
      if (inVrf.has(to)) report(link, ["interfaces", index], `names ${to}, which is in ${inVrf.get(to)} already`);
      inVrf.set(to, link.id);
    }
  }
  return problems;
}

/** Links that are named beside the list of members. */
function insideMembers(link: Link): Problem[] {
  if (link.kind === "bonds") {
    const { primary, mode = "balance-rr" } = link.is.parameters ?? {};
    if (primary === undefined) return [];
    const path = ["parameters", "primary"];
    if (!(link.is.interfaces ?? []).includes(primary)) return [{ path, message: "must be one of the bond's interfaces" }];
    if (!["active-backup", "balance-tlb", "balance-alb"].includes(mode))
      return [{ path, message: "is only for the modes active-backup, balance-tlb and balance-alb" }];
    return [];
  }
  if (link.kind !== "bridges") return [];
  const ports = new Set(link.is.interfaces ?? []);
  return (["path-cost", "port-priority"] as const).flatMap((key) =>
    Object.keys(link.is.parameters?.[key] ?? {})
      .filter((port) => !ports.has(port))
      .map((port) => ({ path: ["parameters", key, port], message: "is none of the bridge's interfaces" })),
  );
}

function circles(links: readonly Link[]): Problem[] {
  const byId = new Map(links.map((link) => [link.id, link]));
  const done = new Set<string>();
  const problems: Problem[] = [];
  for (const start of links) {
    // With a stack of its own: a document may chain thousands.
    const way: { readonly link: Link; readonly next: Reference[] }[] = [];
    const open = new Set<string>();
    const enter = (link: Link): void => {
      way.push({ link, next: under(link) });
      open.add(link.id);
    };
    if (!done.has(start.id)) enter(start);
    while (way.length > 0) {
      const { link, next } = way.at(-1)!;
      const reference = next.shift();
      if (!reference) {
        way.pop();
        open.delete(link.id);
        done.add(link.id);
        continue;
      }
      const target = byId.get(reference.to);
      if (!target || done.has(target.id)) continue;
      if (open.has(target.id))
        problems.push(
          below(link, { path: reference.path, message: `names ${target.id}, which is made of ${link.id}: a circle` }),
        );
      else enter(target);
    }
  }
  return problems;
}

function ofLink(link: Link): Problem[] {
  const { is } = link;
  const problems: Problem[] = [];
  const report = (path: Path, message: string): unknown => problems.push({ path, message });
  if (isPhysical(link)) {
    if (link.is["set-name"] !== undefined && link.is.match === undefined)
      report(["set-name"], "needs `match`, which says what gets the name");
  } else if (typeof is.macaddress === "string" && !is.macaddress.includes(":"))
    report(["macaddress"], "must be an address: the link is made");
  if (is["ipv6-address-generation"] !== undefined && is["ipv6-address-token"] !== undefined)
    report(["ipv6-address-token"], "is there beside ipv6-address-generation: one of them is too much");
  if (link.kind === "ethernets" && link.is.auth)
    problems.push(...auth(link.is.auth).map(({ path, message }) => ({ path: ["auth", ...path], message })));
  if (link.kind === "wifis") {
    if (Object.keys(link.is["access-points"]).length === 0) report(["access-points"], "must name a wireless network");
    for (const [ssid, point] of Object.entries(link.is["access-points"]))
      problems.push(...accessPoint(point).map(({ path, message }) => ({ path: ["access-points", ssid, ...path], message })));
  }
  if (link.kind === "bonds") problems.push(...bothSpellings(link.is.parameters ?? {}, ["parameters"], BOND_SPELLINGS));
  if (link.kind === "bridges")
    problems.push(...bothSpellings(link.is.parameters ?? {}, ["parameters"], [["ageing-time", "aging-time"]]));
  if (link.kind === "tunnels") problems.push(...tunnel(link));
  return problems;
}

const BOND_SPELLINGS = [
  ["all-members-active", "all-slaves-active"],
  ["gratuitous-arp", "gratuitious-arp"],
  ["packets-per-member", "packets-per-slave"],
] as const;
const bothSpellings = (of: object, path: Path, pairs: readonly (readonly [string, string])[]): Problem[] =>
  pairs
    .filter((pair) => pair.every((key) => (of as Readonly<Record<string, unknown>>)[key] !== undefined))
    .map(([key, other]) => ({ path: [...path, other], message: `is there beside ${key}: one of them is too much` }));

function accessPoint({ password, auth: how, band, channel }: AccessPointSettings): Problem[] {
  const problems: Problem[] = [];
  if (channel !== undefined && band === undefined) problems.push({ path: ["channel"], message: "needs `band`" });
  if (channel !== undefined && band !== undefined && !channelsOf(band).includes(channel))
    problems.push({ path: ["channel"], message: "is no channel of `band`" });
  if (password !== undefined) {
    if (how) problems.push({ path: ["auth"], message: "is there beside password: one of them is too much" });
    if (!isPassphrase(password)) problems.push({ path: ["password"], message: PASSPHRASE });
  }
  if (how) problems.push(...auth(how).map(({ path, message }) => ({ path: ["auth", ...path], message })));
  return problems;
}

/** Source: IEEE 802.11-2020, J.4.1; what is 64 digits is the key itself */
const isPassphrase = (text: string): boolean => /^[\x20-\x7e]{8,63}$/.test(text) || /^[0-9A-Fa-f]{64}$/.test(text);
const PASSPHRASE = "must be 8 … 63 characters of ASCII, or 64 hexadecimal digits";

function auth(of: AuthSettings): Problem[] {
  const { "key-management": how = "none", method, password } = of;
  const problems: Problem[] = [];
  if (["psk", "psk-sha256", "sae"].includes(how)) {
    if (password === undefined) problems.push({ path: [], message: `needs password with key-management: ${how}` });
    else if (!isPassphrase(password) && how !== "sae") problems.push({ path: ["password"], message: PASSPHRASE });
  }
  const isEap = how.startsWith("eap") || how === "802.1x";
  if (isEap && method === undefined) problems.push({ path: [], message: `needs method with key-management: ${how}` });
  if (!isEap && method !== undefined) problems.push({ path: ["method"], message: "is only for key-management eap and 802.1x" });
  if (method === "tls" && (of["client-certificate"] === undefined || of["client-key"] === undefined))
    problems.push({ path: [], message: "needs client-certificate and client-key with method: tls" });
  return problems;
}

const IPV6_TUNNELS = ["ipip6", "ip6ip6", "ip6gre", "ip6gretap", "vti6"];
const WITH_KEYS = ["gre", "gretap", "ip6gre", "ip6gretap", "vti", "vti6", "wireguard"];
const ONLY = {
  wireguard: ["mark", "peers"],
  vxlan: [
    ...["link", "id", "ageing", "aging", "limit", "type-of-service", "flow-label", "do-not-fragment", "short-circuit"],
    ...["arp-proxy", "mac-learning", "notifications", "checksums", "extensions", "port-range"],
  ],
} as const;

function tunnel({ is }: LinkOf<"tunnels">): Problem[] {
  const { mode, local, remote, key, keys, peers = [] } = is;
  const problems: Problem[] = [
    ...bothSpellings(
      is,
      [],
      [
        ["key", "keys"],
        ["ageing", "aging"],
      ],
    ),
  ];
  const report = (path: Path, message: string): unknown => problems.push({ path, message });
  for (const [owner, only] of Object.entries(ONLY))
    if (mode !== owner)
      for (const name of only)
        if ((is as Readonly<Record<string, unknown>>)[name] !== undefined) report([name], `is only for mode: ${owner}`);
  const given = key ?? keys;
  const path = [key === undefined ? "keys" : "key"];
  if (given !== undefined && !WITH_KEYS.includes(mode)) report(path, `is not for mode: ${mode}`);
  if (mode === "wireguard") {
    const own = typeof given === "object" ? given.private : given;
    if (own === undefined) report([], "needs key: the private key");
    else if (typeof own !== "string" || !/^\/|^.{43}=$/.test(own))
      report(path, "must be a key of WireGuard in base64, or the absolute path of a file that holds it");
    if (typeof given === "object" && (given.input ?? given.output) !== undefined)
      report(path, "has only a private key with mode: wireguard");
    for (const name of ["local", "remote", "ttl"] as const)
      if (is[name] !== undefined) report([name], "is not for mode: wireguard");
    const seen = new Set<string>();
    for (const [index, peer] of peers.entries()) {
      if (seen.has(peer.keys.public)) report(["peers", index, "keys", "public"], "is the key of another peer, too");
      seen.add(peer.keys.public);
    }
    return problems;
  }
  if (typeof given === "object" ? given.private !== undefined : typeof given === "string" && given.length > 15)
    report(path, "is a private key, which only mode: wireguard has");
  if (is.port !== undefined && mode !== "vxlan") report(["port"], "is only for modes wireguard and vxlan");
  if (mode === "vxlan") {
    if (is.id === undefined) report([], "needs id with mode: vxlan");
    if (local !== undefined && remote !== undefined && familyOf(local) !== familyOf(remote))
      report(["remote"], "is of another family than local");
    const [from = 0, to = 0] = is["port-range"] ?? [];
    if (from > to) report(["port-range"], "must be the lowest and the highest port");
    return problems;
  }
  if (remote === undefined) report([], `needs remote with mode: ${mode}`);
  const family: Family = IPV6_TUNNELS.includes(mode) ? 6 : 4;
  for (const [name, address] of [
    ["local", local],
    ["remote", remote],
  ] as const)
    if (address !== undefined && familyOf(address) !== family)
      report([name], `must be an address of IPv${family} with mode: ${mode}`);
  return problems;
}

function addresses({ is }: Link): Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [index, { address, length, label, family, cidr }] of addressesOf(is).entries()) {
    const key = `${addressKey(address)}/${length}`;
    if (seen.has(key)) problems.push({ path: ["addresses", index], message: "is there twice" });
    seen.add(key);
    if (label !== undefined && family === 6)
      problems.push({ path: ["addresses", index, cidr, "label"], message: "is only for addresses of IPv4" });
  }
  return problems;
}

/** Source: netplan, "Routing"; a route of Linux leads to a gateway, to a link, or nowhere */
function routes({ is, kind }: Link): Problem[] {
  const problems: Problem[] = [];
  const table = kind === "vrfs" ? (is as { readonly table: number }).table : undefined;
  for (const [index, route] of (is.routes ?? []).entries()) {
    const report = (key: string, message: string): unknown =>
      problems.push({ path: ["routes", index, ...(key === "" ? [] : [key])], message });
    const families = new Set([
      route.to === "default" ? undefined : prefixOf(route.to, true)?.family,
      ...[route.via, route.from].map((one) => (one === undefined ? undefined : familyOf(one))),
    ]);
    families.delete(undefined);
    if (families.size > 1) report("via", "is of another family than the rest of the route");
    if (families.size === 0) report("", "needs via or from: default alone is neither IPv4 nor IPv6");
    const { type = "unicast", scope = defaultScope(route) } = route;
    if (type === "unicast" && scope === "global" && route.via === undefined) report("", "needs via, or scope: link");
    if (route.via !== undefined && type !== "unicast" && type !== "multicast" && type !== "anycast")
      report("via", `has no meaning with type: ${type}`);
    if (table !== undefined && route.table !== undefined && route.table !== table) report("table", "must be that of the vrf");
  }
  for (const [index, policy] of (is["routing-policy"] ?? []).entries()) {
    const report = (key: string, message: string): unknown =>
      problems.push({ path: ["routing-policy", index, ...(key === "" ? [] : [key])], message });
    if (policy.from === undefined && policy.to === undefined && policy.mark === undefined) report("", "needs from, to or mark");
    const families = [policy.from, policy.to].flatMap((one) => (one === undefined ? [] : [prefixOf(one, true)?.family]));
    if (new Set(families).size > 1) report("to", "is of another family than from");
    if (table !== undefined && policy.table !== undefined && policy.table !== table) report("table", "must be that of the vrf");
  }
  return problems;
}

/** As ip-route(8) chooses it. */
export function defaultScope({ type = "unicast", via }: RouteSettings): "global" | "link" | "host" {
  if (type === "local") return "host";
  return via === undefined && ["unicast", "broadcast", "multicast", "anycast"].includes(type) ? "link" : "global";
}

/** Of two that are equal one would be taken by chance. */
function defaultRoutes(links: readonly Link[]): Problem[] {
  const seen = new Map<string, string>();
  const problems: Problem[] = [];
  const tables = new Map(
    links.flatMap((link) => (link.kind === "vrfs" ? membersOf(link).map((id) => [id, link.is.table] as const) : [])),
  );
  for (const link of links) {
    const vrf = link.kind === "vrfs" ? link.is.table : tables.get(link.id);
    for (const { path, family, table, metric } of defaults(link.is)) {
      const key = `${family} ${table ?? vrf ?? "main"} ${metric ?? 0}`;
      const before = seen.get(key);
      if (before === undefined) seen.set(key, link.id);
      else
        problems.push(
          below(link, {
            path,
            message: `is a second default route of IPv${family} in the same table, after that of ${before}: give one a metric`,
          }),
        );
    }
  }
  return problems;
}

function defaults(is: CommonSettings): { path: Path; family: Family; table?: number | undefined; metric?: number | undefined }[] {
  const routed = (is.routes ?? []).flatMap((route, index) => {
    const family = familyOf(route.via ?? route.from ?? "") ?? prefixOf(route.to)?.family;
    if (!isEverywhere(route.to) || family === undefined || (route.type ?? "unicast") !== "unicast") return [];
    return [{ path: ["routes", index], family, table: route.table === 254 ? undefined : route.table, metric: route.metric }];
  });
  const gateways = ([4, 6] as const).flatMap((family) =>
    is[`gateway${family}`] === undefined ? [] : [{ path: [`gateway${family}`], family }],
  );
  return [...gateways, ...routed];
}
