/** @portable What a debug container may be given of its machine. docs/concepts/debug.md */

/** In the order in which people are shown them. */
export const DEBUG_RIGHTS = ["network", "processes", "files", "write", "devices", "all"] as const;
export type DebugRight = (typeof DEBUG_RIGHTS)[number];

/** Source: linux/capability.h */
const CAPABILITIES = {
  ...{ CHOWN: 0, DAC_OVERRIDE: 1, DAC_READ_SEARCH: 2, FOWNER: 3, FSETID: 4, KILL: 5, SETGID: 6, SETUID: 7, SETPCAP: 8 },
  ...{
    NET_BIND_SERVICE: 10,
    NET_ADMIN: 12,
    NET_RAW: 13,
    SYS_RAWIO: 17,
    SYS_CHROOT: 18,
    SYS_PTRACE: 19,
    SYS_ADMIN: 21,
    MKNOD: 27,
  },
} as const;
export type Capability = keyof typeof CAPABILITIES;

export const capabilityNumber = (name: Capability): number => CAPABILITIES[name];

/** What root of a container does with its own files and processes. */
const ALWAYS: readonly Capability[] = [
  ...(["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE"] as const),
];
const BY_RIGHT: Readonly<Record<Exclude<DebugRight, "all">, readonly Capability[]>> = {
  network: ["NET_ADMIN", "NET_RAW"],
  processes: ["SYS_PTRACE"],
  files: ["DAC_READ_SEARCH"],
  write: [],
  devices: ["MKNOD", "SYS_RAWIO"],
};

/** What follows from what was asked for: whoever may write may read, and `all` is all of them. */
export function grantedRights(asked: readonly DebugRight[]): ReadonlySet<DebugRight> {
  if (asked.includes("all")) return new Set(DEBUG_RIGHTS);
  return new Set([...asked, ...(asked.includes("write") ? (["files"] as const) : [])]);
}

/** Those of the container's programs; nothing for all that there are. */
export function capabilitiesFor(rights: ReadonlySet<DebugRight>): readonly Capability[] | undefined {
  if (rights.has("all")) return undefined;
  const own = Object.entries(BY_RIGHT).flatMap(([right, names]) => (rights.has(right as DebugRight) ? names : []));
  return [...ALWAYS, ...own];
}
