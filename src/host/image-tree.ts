/** The files of a mounted image, read as they are asked for: compiling a config asks for a few dozen of some ten thousand. */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { MiB, type Bytes } from "../core/units.ts";
import type { ImageTree } from "../layout/image-tree.ts";

/** Configuration files and lists of modules are smaller. */
const LONGEST: Bytes = 4 * MiB;

/**
 * What cannot be read is not there: an image is whole, or does not boot.
 *
 * @param root where the image alone is, without anything mounted over it: `/run/petrify/root` of a running system
 */
export const mountedImageTree = (root: string): ImageTree => ({
  at: (path) =>
    orNothing(() => {
      const status = lstatSync(join(root, path));
      if (status.isSymbolicLink()) return { link: readlinkSync(join(root, path)) };
      return status.isDirectory() ? "folder" : "file";
    }),
  text: (path) =>
    orNothing(() => {
      const status = lstatSync(join(root, path));
      return status.isFile() && status.size <= LONGEST ? readFileSync(join(root, path), "utf8") : undefined;
    }),
  names: (path) => orNothing(() => readdirSync(join(root, path))) ?? [],
});

function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
