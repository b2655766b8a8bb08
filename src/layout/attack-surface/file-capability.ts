/** @portable Capabilities of files: the attribute `security.capability`. Source: linux/capability.h; capabilities(7), "File capability extended attribute versioning" */

/** Its name. */
export const CAPABILITY_ATTRIBUTE = "security.capability";

/** By number. Source: linux/capability.h */
const NAMES = [
  ...["chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable"],
  ...["net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio"],
  ...["sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time"],
  ...["sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog"],
  ...["wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"],
];
const EFFECTIVE = 1;
/** Size of the attribute, and how many words of each set it has, by version. */
const FORMS: Readonly<Record<number, { readonly size: number; readonly words: number }>> = {
  1: { size: 12, words: 1 },
  2: { size: 20, words: 2 },
  3: { size: 24, words: 2 },
};

export interface FileCapability {
  /** By which flags: `e` effective, `i` inheritable, `p` permitted. */
  readonly sets: readonly { readonly flags: string; readonly names: readonly string[] }[];
  /** The user that is root in the namespace where they count; 0 for all of the machine. */
  readonly root: number;
}

/** @returns nothing for what the kernel does not take for one */
export function decodeFileCapability(bytes: Uint8Array): FileCapability | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length < 4 ? 0 : view.getUint32(0, true);
  const form = FORMS[magic >>> 24];
  if (form?.size !== bytes.length) return undefined;
  const sets = new Map<string, string[]>();
  for (let at = 0; at < form.words * 32; at++) {
    const isIn = (set: number): boolean => ((view.getUint32(4 + (at >> 5) * 8 + set * 4, true) >>> (at & 31)) & 1) === 1;
    const [permitted, inheritable] = [isIn(0), isIn(1)];
    if (!permitted && !inheritable) continue;
    const flags = `${(magic & EFFECTIVE) === 0 ? "" : "e"}${inheritable ? "i" : ""}${permitted ? "p" : ""}`;
    sets.set(flags, [...(sets.get(flags) ?? []), NAMES[at] === undefined ? String(at) : `cap_${NAMES[at]}`]);
  }
  const root = form.size === 24 ? view.getUint32(20, true) : 0;
  return { sets: [...sets].map(([flags, names]) => ({ flags, names })), root };
}

/** As getcap(8) prints those of one set: `cap_net_admin,cap_net_raw=ep`. */
export const capabilityText = ({ sets, root }: FileCapability): string =>
  [
    ...(sets.length === 0 ? ["="] : sets.map(({ flags, names }) => `${names.join(",")}=${flags}`)),
    ...(root === 0 ? [] : [`[rootid=${root}]`]),
  ].join(" ");
