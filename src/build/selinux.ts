import type { RootFs } from "../host/rootfs.ts";

/** For the kernel command line: what is forbidden is said and allowed. Source: Linux, Documentation/admin-guide/kernel-parameters.txt */
export const PERMISSIVE = "enforcing=0";

/**
 * Whether an image would enforce its SELinux policy. What petrify adds has no label yet, so nothing could start it.
 *
 * @param words the recipe's own of the kernel command line, which have the last word. Source: selinux_config(5)
 */
export async function enforcesSelinux(fs: RootFs, words: readonly string[]): Promise<boolean> {
  if (words.some((word) => /^(enforcing|selinux)=/.test(word))) return false;
  return /^[ \t]*SELINUX[ \t]*=[ \t]*enforcing[ \t]*$/m.test((await fs.read("/etc/selinux/config")) ?? "");
}
