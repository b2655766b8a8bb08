/**
 * @portable What goes at boot with a key of `network` that cannot be used: as little as leaves nothing more open than it was meant, and nothing on
 * another interface. docs/concepts/network.md, "What a boot leaves out"
 */
import type { Path } from "../issue-text.ts";

/** Keys of a link without which it would be another one, or would be up although it should not be. */
const OF_LINK: Readonly<Record<string, readonly string[]>> = {
  ethernets: ["match", "activation-mode", "auth"],
  wifis: ["match", "activation-mode"],
  vlans: ["activation-mode", "id", "link"],
  "virtual-ethernets": ["activation-mode", "peer"],
  vrfs: ["activation-mode", "table"],
  tunnels: [
    ...["activation-mode", "mode", "local", "remote", "key", "keys", "mark", "port", "link", "id"],
    ...["flow-label", "arp-proxy", "extensions", "port-range"],
  ],
};
/** Lists and mappings whose entries are used or not as a whole: a route without its table would be one of all the machine's. */
const ENTRIES = ["routes", "routing-policy", "access-points", "peers"];

/**
 * @param path of what cannot be used, below `network`
 * @param network as it was written
 * @returns what has to go, below `network`
 */
export function goesWith(path: Path, network: unknown): readonly Path[] {
  const [kind, id, key] = path;
  if (kind === undefined || id === undefined || key === undefined) return [path, ...ofVrf(path, network)];
  const isOfLink = (OF_LINK[String(kind)] ?? ["activation-mode"]).includes(String(key));
  if (isOfLink) return [[kind, id], ...ofVrf([kind, id], network)];
  if (ENTRIES.includes(String(key))) return [path.slice(0, 4)];
  return kind === "vrfs" && key === "interfaces" && path.length === 3 ? [[kind, id], ...ofVrf([kind, id], network)] : [path];
}

/** Links of a vrf that goes: their routes would lead between networks that are kept apart. */
function ofVrf([kind, id]: Path, network: unknown): readonly Path[] {
  if (kind !== "vrfs" || id === undefined) return [];
  const sections = network as Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;
  const vrf = sections["vrfs"]?.[String(id)] as { readonly interfaces?: unknown } | undefined;
  const members = [vrf?.interfaces ?? []].flat().filter((member) => typeof member === "string");
  return Object.entries(sections).flatMap(([name, links]) =>
    typeof links === "object" && links !== null
      ? members.filter((member) => Object.hasOwn(links, member)).map((member) => [name, member])
      : [],
  );
}
