/** @portable Where a running system can be written to and what was written be executed. */
import { fstab } from "../fstab.ts";
import { IMAGE_FACTS_PATH, parseImageFacts, type ImageFacts } from "../image-facts.ts";
import { textAt, type ImageTree } from "../image-tree.ts";
import { valueOf } from "../unit-file.ts";
import type { Finding } from "./finding.ts";
import type { StartedUnit } from "./started-units.ts";

/**
 * What the initrd mounts before the fstab, and systemd besides; of a sealed image nothing of it can be executed. Sources: src/initrd/boot.ts,
 * src/initrd/prepare-root.ts, src/initrd/service-mounts.ts; systemd, src/shared/mount-setup.c
 */
const EARLY: readonly (readonly [path: string, what: string, options: string])[] = [
  ["/dev", "devtmpfs", "nosuid"],
  ["/dev/shm", "tmpfs", "nosuid,nodev"],
  ["/run", "tmpfs", "nosuid,nodev"],
  ["/etc", "overlay on a tmpfs", "nodev"],
  ["/var", "overlay on a tmpfs", "nodev"],
];
/** File systems that have nothing to execute. Source: filesystems(5); Linux, Documentation/filesystems */
const WITHOUT_PROGRAMS =
  /^(?:proc|sysfs|securityfs|debugfs|tracefs|configfs|fusectl|mqueue|hugetlbfs|bpf|pstore|efivarfs|cgroup2?|binfmt_misc|devpts|autofs)$/;

/** What is mounted deeper goes before what it lies in: each is listed by itself. */
export function writableExecutable(tree: ImageTree, started: Iterable<StartedUnit>): readonly Finding[] {
  const { persistent = [], profile } = factsOf(tree);
  const early = profile === "sealed" ? [] : EARLY;
  const lines = fstab(new Set(["oem", "persistent"]), persistent, { profile }).split("\n");
  const fromFstab = lines.flatMap((line) => {
    const [what = "", path = "", type = "", options = ""] = line.split(/\s+/);
    return path.startsWith("/")
      ? [[path, type === "tmpfs" ? "tmpfs" : what === "overlay" ? "persistent" : type, options] as const]
      : [];
  });
  return [...early, ...fromFstab, ...mountUnits(started)].flatMap(([name, what, options]) => {
    const words = options.split(",");
    if (words.includes("noexec") || words.includes("ro")) return [];
    const flags = words.filter((word) => word === "nosuid" || word === "nodev");
    return [{ kind: "writableExecutable", name, detail: [what, ...flags].join(", ") }];
  });
}

function mountUnits(started: Iterable<StartedUnit>): readonly (readonly [path: string, what: string, options: string])[] {
  return [...started].flatMap(({ unit: { name, settings } }) => {
    const [path, type = "any type"] = [valueOf(settings, "Mount", "Where"), valueOf(settings, "Mount", "Type")];
    if (!name.endsWith(".mount") || path === undefined || WITHOUT_PROGRAMS.test(type) || path === "/tmp") return [];
    return [[path, type, valueOf(settings, "Mount", "Options") ?? ""]];
  });
}

function factsOf(tree: ImageTree): Partial<ImageFacts> {
  try {
    return parseImageFacts(textAt(tree, IMAGE_FACTS_PATH) ?? "");
  } catch {
    return {}; // `petrify inspect` says that they cannot be read
  }
}
