/** @portable Which folders are overlays, as the kernel says in `/proc/self/mountinfo`. */

/**
 * The upper layer of each overlay that is mounted, by the folder it is mounted on.
 *
 * A later mount covers an earlier one; names that the kernel escapes are of no persistent folder. Source: proc_pid_mountinfo(5)
 */
export function mountedUppers(mountinfo: string): ReadonlyMap<string, string> {
  const uppers = new Map<string, string>();
  for (const line of mountinfo.split("\n")) {
    const [before, after] = line.split(" - ");
    const folder = before!.split(" ")[4];
    if (folder === undefined || after === undefined) continue;
    uppers.delete(folder);
    const [type, , options = ""] = after.split(" ");
    const upper = type === "overlay" && /(?:^|,)upperdir=([^,]*)/.exec(options)?.[1];
    if (upper) uppers.set(folder, upper);
  }
  return uppers;
}
