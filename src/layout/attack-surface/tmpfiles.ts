/** @portable What everybody may write to once tmpfiles.d has been carried out. Source: tmpfiles.d(5) */
import { textAt, type ImageTree } from "../image-tree.ts";
import { filesByName } from "../layered-folders.ts";
import { wordsOf } from "../unit-file.ts";
import type { Finding } from "./finding.ts";

const FOLDERS = ["/etc/tmpfiles.d", "/usr/lib/tmpfiles.d"] as const;
/** By the first letter. Devices are left out, which udev has rules for. */
const KINDS: Readonly<Record<string, string>> = {
  ...{ d: "folder", D: "folder", e: "folder", v: "folder", q: "folder", Q: "folder" },
  ...{ f: "file", F: "file", w: "file", z: "path", Z: "path and what is below", p: "fifo" },
};
const STICKY = 0o1000;
const OTHERS_WRITE = 0o002;

/** Paths of the running system; one that several lines make is there once. */
export function writableAtBoot(tree: ImageTree): readonly Finding[] {
  const found = new Map<string, Finding>();
  for (const file of filesByName(tree, FOLDERS, ".conf")) {
    for (const line of (textAt(tree, file) ?? "").split("\n")) {
      const [type = "#", name = "", text = "-"] = wordsOf(line);
      const mode = Number.parseInt(text.replace(/^[:~]+/, ""), 8);
      const what = KINDS[type[0]!];
      if (what === undefined || name.startsWith("/dev/") || Number.isNaN(mode) || (mode & OTHERS_WRITE) === 0) continue;
      const sticky = (mode & STICKY) === 0 ? "" : ", sticky";
      found.set(name, { kind: "worldWritable", name, detail: `${what}${sticky}, of ${file}` });
    }
  }
  return [...found.values()];
}
