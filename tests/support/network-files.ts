import type { RenderedFile } from "../../src/config/network/rendered.ts";

/** Sections as `NAME{KEY=VALUE …}`, sorted, lists of the same key in their order; what does not count is gone. */
export type Sections = readonly string[];
type Line = readonly [key: string, value: string];
export interface ReadSection {
  readonly name: string;
  readonly lines: readonly Line[];
}

function readSections(text: string): ReadSection[] {
  const sections: { name: string; lines: Line[] }[] = [];
  for (const line of text.split("\n")) {
    const [, name] = /^\[(.*)\]$/.exec(line) ?? [];
    if (name !== undefined) sections.push({ name, lines: [] });
    else if (line !== "" && !line.startsWith("#")) {
      const [key = "", ...value] = line.split("=");
      sections.at(-1)!.lines.push([key, value.join("=")]);
    }
  }
  return sections;
}

const written = (sections: readonly ReadSection[]): Sections =>
  sections
    .filter(({ lines }) => lines.length > 0)
    .map(
      ({ name, lines }) =>
        `${name}{${lines
          .map((line) => line.join("="))
          .toSorted()
          .join(" ")}}`,
    )
    .toSorted();

const onlyOne = (sections: readonly ReadSection[], name: string): readonly Line[] =>
  sections.find((section) => section.name === name)?.lines ?? [];
const lineOf = (lines: readonly Line[], key: string): string | undefined => lines.find(([name]) => name === key)?.[1];
const MANY = new Set(["Route", "RoutingPolicyRule", "Address", "WireGuardPeer"]);

/** Sections of a name that can be there once are one. */
function merged(sections: readonly ReadSection[]): ReadSection[] {
  const single = Map.groupBy(
    sections.filter(({ name }) => !MANY.has(name)),
    ({ name }) => name,
  );
  return [
    ...Array.from(single, ([name, parts]) => ({ name, lines: parts.flatMap(({ lines }) => lines) })),
    ...sections.filter(({ name }) => MANY.has(name)),
  ];
}

const SPANS = /Sec$/;
function plainValue(key: string, value: string): string {
  if (key === "AllSlavesActive") return value === "1" || value === "yes" ? "yes" : "no";
  if (value === "true") return "yes";
  if (value === "false") return "no";
  if (SPANS.test(key)) return value.replace(/^(\d+)s$/, "$1");
  return /^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}$/.test(value) ? value.toLowerCase() : value;
}

/** What netplan writes, in the words that systemd has today. */
function netplanNetworkd(sections: readonly ReadSection[]): ReadSection[] {
  const network = onlyOne(sections, "Network");
  const asks = lineOf(network, "DHCP");
  const [four, six] = [asks === "yes" || asks === "ipv4", asks === "yes" || asks === "ipv6"];
  return merged(
    sections.flatMap((section): ReadSection[] => {
      if (section.name === "DHCP") return dhcp(section.lines, four, six);
      if (section.name !== "Network") return [section];
      const gateways = section.lines.filter(([key]) => key === "Gateway");
      const token = lineOf(section.lines, "IPv6Token");
      return [
        { name: "Network", lines: section.lines.filter(([key]) => key !== "Gateway" && key !== "IPv6Token") },
        ...gateways.map((line) => ({ name: "Route", lines: [line] })),
        ...(token === undefined ? [] : [{ name: "IPv6AcceptRA", lines: [["Token", token] as const] }]),
      ];
    }),
  );
}

/** One section there, two of today. */
function dhcp(lines: readonly Line[], four: boolean, six: boolean): ReadSection[] {
  const both = lines.filter(([key]) =>
    ["UseDNS", "UseDomains", "UseNTP", "SendHostname", "UseHostname", "Hostname"].includes(key),
  );
  const only4 = lines.filter(([key]) => ["ClientIdentifier", "RouteMetric", "UseMTU", "UseRoutes"].includes(key));
  const advertised = lines.flatMap(([key, value]): Line[] => {
    if (key === "RouteMetric") return [[key, value]];
    if (key === "UseMTU" && value === "false") return [["UseMTU", "no"]];
    if (key === "UseRoutes")
      return [
        ["UseGateway", "no"],
        ["UseRoutePrefix", "no"],
      ];
    return [];
  });
  return [
    ...(four ? [{ name: "DHCPv4", lines: [...both, ...only4] }] : []),
    ...(six
      ? [
          { name: "DHCPv6", lines: both },
          { name: "IPv6AcceptRA", lines: advertised },
        ]
      : []),
  ];
}

/** Lines that one of the two writes although nothing was asked for; each with its reason in docs/concepts/network.md. */
const ASIDE: Readonly<Record<string, readonly string[]>> = {
  "Link.NamePolicy": ["keep kernel database onboard slot path"],
  "Link.AlternativeNamesPolicy": ["database onboard slot path mac"],
  "Link.MACAddressPolicy": ["persistent"],
  "Link.WakeOnLan": ["off"],
  "Link.RequiredForOnline": ["no"],
  "RoutingPolicyRule.Family": ["both"],
  "Match.Name": ["*"],
};

/** A file of networkd or udev, whoever wrote it. */
export function networkdSections(text: string): Sections {
  const sections = netplanNetworkd(readSections(text)).map(({ name, lines }) => ({
    name,
    lines: lines
      .map(([key, value]): Line => [key === "FwMark" ? "FirewallMark" : key, plainValue(key, value)])
      .filter(([key, value]) => !(ASIDE[`${name}.${key}`] ?? []).includes(value)),
  }));
  return written(sections);
}

const hex = (text: string): string => Buffer.from(text).toString("hex");
/** Blocks of wpa_supplicant.conf, their lines sorted, text as its bytes. */
export function supplicantBlocks(text: string): Sections {
  const [head = "", ...blocks] = text
    .split("\n")
    .filter((line) => !line.startsWith("#") && line !== "" && line !== "ap_scan=0")
    .join("\n")
    .split("network={\n");
  const plain = (line: string): string => {
    const [, key = "", value = ""] = /^\s*([a-z0-9_]+)=(.*)$/.exec(line) ?? [];
    const inner = /^P?"(.*)"$/.exec(value)?.[1];
    if (["ssid", "identity", "anonymous_identity"].includes(key)) return `${key}=${inner === undefined ? value : hex(inner)}`;
    if (key === "freq_list") return `${key}=${value.split(" ").toSorted().join(" ")}`;
    if (key === "password" && inner?.startsWith("hash:")) return `${key}=${inner}`;
    return `${key === "sae_password" ? "psk" : key}=${value}`;
  };
  const lines = (block: string): string =>
    block
      .split("\n")
      .filter((line) => line !== "" && line !== "}")
      .map(plain)
      .toSorted()
      .join(" ");
  return [lines(head), ...blocks.map(lines).toSorted()];
}

/** Netplan's keyfile, or ours. */
export function keyfileSections(text: string): Sections {
  const all = readSections(text);
  const connection = onlyOne(all, "connection");
  const isPort = lineOf(connection, "slave-type") === "bond" || lineOf(connection, "slave-type") === "bridge";
  const sections = all
    .filter(({ name }) => !(isPort && /^ipv[46]$/.test(name)))
    .map(({ name, lines }) => ({
      name: name === "802-11-wireless" ? "wifi" : name,
      lines: lines
        .map(([key, value]): Line => keyfileLine(name, key, value))
        .filter(([key, value]) => !isAside(name, key, value)),
    }));
  return written(sections);
}

const WORDS: Readonly<Record<string, string>> = {
  "ipv4.method=link-local": "disabled",
  "ipv6.method=ignore": "disabled",
  "ipv6.method=link-local": "disabled",
};
function keyfileLine(section: string, key: string, value: string): Line {
  const word = WORDS[`${section}.${key}=${value}`];
  if (word !== undefined) return [key, word];
  if (section === "wifi" && key === "ssid" && !/^(?:\d+;)+$/.test(value)) return [key, `${[...Buffer.from(value)].join(";")};`];
  if (key === "wake-on-lan") return [key, value === "1" ? "64" : value];
  if (key === "eap") return [key, value.replace(/;$/, "")];
  if (section === "ipv6" && key === "addr-gen-mode") return [key, { "0": "eui64", "1": "stable-privacy" }[value] ?? value];
  return [key, value];
}
const isAside = (section: string, key: string, value: string): boolean =>
  (section === "connection" && ["id", "uuid"].includes(key)) ||
  [["ethernet.wake-on-lan=0"], ["ipv6.ip6-privacy=0"]].flat().includes(`${section}.${key}=${value}`);

/** By the name of what they are about. */
export const byName = (
  files: readonly Pick<RenderedFile, "path" | "text">[],
  compare: (text: string, path: string) => Sections | undefined,
): Record<string, Sections> =>
  Object.fromEntries(
    files
      .flatMap(({ path, text }) => {
        const sections = compare(text, path);
        return sections ? [[nameOf(path), sections] as const] : [];
      })
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
const nameOf = (path: string): string =>
  path
    .split("/")
    .at(-1)!
    .replace(/^(?:1[01]-)?(?:netplan|petrify)-/, "")
    .replace(/^(?:wpa-|wpa_supplicant-(?:wired-)?)/, "wpa-");
