import { dirname } from "node:path";
import { AppError } from "../core/error.ts";
import type { Recipe } from "../config/recipe.ts";
import type { Kernel } from "./kernel.ts";
import type { Tree } from "./tree.ts";

/** Raised when an EROFS feature needs it: what a kernel must have been built with to read the root. */
const KERNEL_OPTION = { none: "CONFIG_EROFS_FS", lz4hc: "CONFIG_EROFS_FS_ZIP", zstd: "CONFIG_EROFS_FS_ZIP_ZSTD" } as const;
const COMPRESSION = { none: [], lz4hc: ["-zlz4hc", "-C65536"], zstd: ["-zzstd,level=3", "-C65536"] } as const;

/** @throws AppError `COMPRESSION_UNSUPPORTED` when the image's kernel could not read its own root */
export function refuseUnreadable(compression: Recipe["root"]["compression"], { config, version }: Kernel): void {
  if (config === undefined || new RegExp(`^${KERNEL_OPTION[compression]}=[ym]$`, "m").test(config)) return;
  throw new AppError("COMPRESSION_UNSUPPORTED", `the kernel ${version} cannot read an EROFS compressed with ${compression}`, {
    hint: "Choose another `root.compression`: lz4hc is read by every kernel petrify supports.",
  });
}

/**
 * The tree as an EROFS whose bytes depend on nothing but the tree's names, owners, modes, attributes and contents.
 *
 * @param time seconds since 1970, of every file
 */
export async function packRoot(
  { fs, tool }: Tree,
  time: number,
  compression: Recipe["root"]["compression"],
  output: string,
): Promise<void> {
  await tool(
    ["mkfs.erofs", "--quiet", "-T", String(time), "-U", "clear", "--all-time", ...COMPRESSION[compression], output, fs.folder],
    { binds: [{ source: dirname(output), writable: true }] },
  );
}
