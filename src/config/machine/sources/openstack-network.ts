/** @portable OpenStack's description of a network, as netplan's. Source: OpenStack Nova, "Metadata", network_data.json and its JSON Schema */

type Value = Readonly<Record<string, unknown>>;
/** A netplan network; what it is made of is checked with the rest of the document. */
export type OpenStackNetwork = { readonly network: Value | undefined } | { readonly problem: string };

const MAX_LINKS = 200;

/** Never throws. @returns no network where there are no links */
export function openStackNetwork(data: Value): OpenStackNetwork {
  const [links, networks, services] = [objects(data["links"]), objects(data["networks"]), objects(data["services"])];
  if (links.length > MAX_LINKS || networks.length > MAX_LINKS) return { problem: "it has too many links" };
  if (links.length === 0) return { network: undefined };
  const names = new Map<string, string>();
  for (const [index, link] of links.entries()) names.set(textOf(link["id"]) ?? `link${index}`, nameOf(link, index));
  const servers = services.filter(({ type }) => type === "dns").flatMap(({ address }) => textOf(address) ?? []);
  const kinds: Record<"ethernets" | "bonds" | "vlans", Record<string, Value>> = { ethernets: {}, bonds: {}, vlans: {} };
  for (const [index, link] of links.entries()) {
    const id = textOf(link["id"]) ?? `link${index}`;
    const made = linkOf(link, (other) => names.get(textOf(other) ?? ""));
    if ("problem" in made) return made;
    const common = addressesOf(
      networks.filter((network) => network["link"] === id),
      servers,
    );
    kinds[made.kind][names.get(id)!] = { ...made.value, ...common };
  }
  const filled = Object.entries(kinds).filter(([, all]) => Object.keys(all).length > 0);
  return { network: { version: 2, ...Object.fromEntries(filled) } };
}

/** Cards keep the names that the kernel gives them, so that theirs here are of no matter; the others get theirs from here. */
function nameOf(link: Value, index: number): string {
  if (link["type"] === "bond") return `bond${index}`;
  if (link["type"] === "vlan") return `vlan${index}`;
  return `link${index}`;
}

function linkOf(
  link: Value,
  nameOfLink: (id: unknown) => string | undefined,
): { readonly kind: "ethernets" | "bonds" | "vlans"; readonly value: Value } | { readonly problem: string } {
  const mac = textOf(link["ethernet_mac_address"])?.toLowerCase();
  const mtu = typeof link["mtu"] === "number" ? { mtu: link["mtu"] } : {};
  if (link["type"] === "bond") {
    const members = list(link["bond_links"]).map(nameOfLink);
    if (members.some((name) => name === undefined)) return { problem: "a bond has a link that is not there" };
    const parameters = {
      ...optional("mode", textOf(link["bond_mode"])),
      ...optional("mii-monitor-interval", numberOf(link["bond_miimon"])),
      ...optional("transmit-hash-policy", textOf(link["bond_xmit_hash_policy"])),
    };
    return { kind: "bonds", value: { interfaces: members, parameters, ...optional("macaddress", mac), ...mtu } };
  }
  if (link["type"] === "vlan") {
    const under = nameOfLink(link["vlan_link"]);
    if (under === undefined) return { problem: "a vlan has a link that is not there" };
    const own = textOf(link["vlan_mac_address"])?.toLowerCase();
    return { kind: "vlans", value: { id: numberOf(link["vlan_id"]), link: under, ...optional("macaddress", own), ...mtu } };
  }
  if (mac === undefined) return { problem: "a link has no ethernet_mac_address" };
  return { kind: "ethernets", value: { match: { macaddress: mac }, ...mtu } };
}

function addressesOf(networks: readonly Value[], servers: readonly string[]): Value {
  const addresses: string[] = [];
  const routes: Value[] = [];
  const names = new Set<string>();
  const flags: { dhcp4?: boolean; dhcp6?: boolean; "accept-ra"?: boolean } = {};
  for (const network of networks) {
    const type = textOf(network["type"]) ?? "";
    if (type === "ipv4_dhcp") flags.dhcp4 = true;
    else if (type === "ipv6_dhcp" || type === "ipv6_dhcpv6-stateful") flags.dhcp6 = true;
    else if (type === "ipv6_slaac" || type === "ipv6_dhcpv6-stateless") flags["accept-ra"] = true;
    const address = textOf(network["ip_address"]);
    const isStatic = type === "ipv4" || type === "ipv6";
    if (isStatic && address !== undefined) addresses.push(cidr(address, textOf(network["netmask"])));
    const gateway = textOf(network["gateway"]);
    if (isStatic && gateway !== undefined) routes.push({ to: "default", via: gateway });
    for (const route of objects(network["routes"])) {
      const to = cidr(textOf(route["network"]) ?? "", textOf(route["netmask"]));
      routes.push({ to: /^(?:0\.0\.0\.0|::)\/0$/.test(to) ? "default" : to, via: textOf(route["gateway"]) });
    }
    for (const server of [...list(network["dns_nameservers"]), ...objects(network["services"]).map((one) => one["address"])])
      if (typeof server === "string") names.add(server);
  }
  // Of the whole machine: name servers belong to a link.
  if (networks.length > 0) for (const server of servers) names.add(server);
  return {
    ...flags,
    ...(addresses.length > 0 ? { addresses } : {}),
    ...(routes.length > 0 ? { routes } : {}),
    ...(names.size > 0 ? { nameservers: { addresses: [...names] } } : {}),
  };
}

/** `10.0.0.5` and `255.255.255.0`, or `ffff:ffff::` : Nova has a mask where netplan has its bits. */
export function cidr(address: string, mask: string | undefined): string {
  if (address.includes("/") || mask === undefined) return address.includes("/") || address === "" ? address : whole(address);
  if (/^\d{1,3}$/.test(mask)) return `${address}/${mask}`;
  if (mask.includes(":")) return `${address}/${ipv6Bits(mask)}`;
  const bits = mask.split(".").map((part) => Number(part).toString(2).padStart(8, "0"));
  return `${address}/${bits.join("").replaceAll("0", "").length}`;
}
const whole = (address: string): string => `${address}/${address.includes(":") ? 128 : 32}`;

function ipv6Bits(mask: string): number {
  const ones = mask.split(":").map((part) => (Number.parseInt(part || "0", 16) || 0).toString(2).replaceAll("0", "").length);
  return ones.reduce((sum, count) => sum + count, 0);
}

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const objects = (value: unknown): readonly Value[] =>
  list(value).filter((one): one is Value => typeof one === "object" && one !== null && !Array.isArray(one));
const textOf = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);
const numberOf = (value: unknown): number | undefined => {
  const number = typeof value === "string" ? Number(value) : value;
  return typeof number === "number" && Number.isInteger(number) ? number : undefined;
};
const optional = (name: string, value: unknown): Value => (value === undefined ? {} : { [name]: value });
