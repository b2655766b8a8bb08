/** @portable The links of a network, of every kind in one list. */
import { prefixOf, type Prefix } from "./ip.ts";
import type { CommonSettings, NetworkConfig } from "./netplan.ts";

export const KINDS = [
  "ethernets",
  "wifis",
  "dummy-devices",
  "virtual-ethernets",
  "bonds",
  "bridges",
  "vlans",
  "vrfs",
  "tunnels",
] as const;
export type Kind = (typeof KINDS)[number];
type Settings<K extends Kind> = NonNullable<NetworkConfig[K]>[string];
export type LinkOf<K extends Kind> = {
  [Each in K]: {
    readonly kind: Each;
    /** As it is called in the description. */
    readonly id: string;
    readonly is: Settings<Each>;
  };
}[K];
export type Link = LinkOf<Kind>;
export type PhysicalLink = LinkOf<"ethernets" | "wifis">;

/** In the order of the kinds, and as they were written. */
export const linksOf = (config: NetworkConfig): Link[] =>
  KINDS.flatMap((kind) => Object.entries(config[kind] ?? {}).map(([id, is]) => ({ kind, id, is }) as Link));

export const isPhysical = (link: Link): link is PhysicalLink => link.kind === "ethernets" || link.kind === "wifis";

/** The name that its interface has once it is set up; nothing where it may have several, or one that cannot be told. */
export function interfaceName(link: Link): string | undefined {
  if (!isPhysical(link)) return link.id;
  const { match, "set-name": renamed } = link.is;
  if (renamed !== undefined) return renamed;
  if (!match) return link.id;
  return match.name !== undefined && !/[*?[\]]/.test(match.name) ? match.name : undefined;
}

export interface LinkAddress extends Prefix {
  /** With the bits of its network. */
  readonly cidr: string;
  readonly label?: string | undefined;
  readonly deprecated: boolean;
}
const NO_OPTIONS: { readonly label?: string; readonly lifetime?: 0 | "0" | "forever" } = {};
export function addressesOf({ addresses = [] }: CommonSettings): LinkAddress[] {
  return addresses.flatMap((entry) => {
    const [[cidr, { label, lifetime }] = ["", {}]] =
      typeof entry === "string" ? [[entry, NO_OPTIONS] as const] : Object.entries(entry);
    const prefix = prefixOf(cidr);
    return prefix ? [{ ...prefix, cidr, label, deprecated: lifetime === 0 || lifetime === "0" }] : [];
  });
}

/** What it is put together from. */
export const membersOf = (link: Link): readonly string[] =>
  link.kind === "bonds" || link.kind === "bridges" || link.kind === "vrfs" ? (link.is.interfaces ?? []) : [];

/** What a link is part of, and what is on it. */
export interface Membership {
  readonly bond?: LinkOf<"bonds">;
  readonly bridge?: LinkOf<"bridges">;
  readonly vrf?: LinkOf<"vrfs">;
  readonly vlans: readonly LinkOf<"vlans">[];
  readonly vxlans: readonly LinkOf<"tunnels">[];
}
export function membershipOf(id: string, links: readonly Link[]): Membership {
  const above = <K extends "bonds" | "bridges" | "vrfs">(kind: K): LinkOf<K> | undefined =>
    links.find((link) => link.kind === kind && membersOf(link).includes(id)) as LinkOf<K> | undefined;
  const [bond, bridge, vrf] = [above("bonds"), above("bridges"), above("vrfs")];
  return {
    ...(bond && { bond }),
    ...(bridge && { bridge }),
    ...(vrf && { vrf }),
    vlans: links.filter((link) => link.kind === "vlans" && link.is.link === id) as LinkOf<"vlans">[],
    vxlans: links.filter(
      (link) => link.kind === "tunnels" && link.is.mode === "vxlan" && link.is.link === id,
    ) as LinkOf<"tunnels">[],
  };
}
