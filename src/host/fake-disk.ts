/** Disks for tests: loop devices on sparse files. */
import { existsSync } from "node:fs";
import { run } from "./run.ts";

/** Why a test cannot have them, and ext4 on them; false where it can. */
export const LOOPS: string | false =
  process.getuid!() !== 0
    ? "loop devices take root"
    : (["/dev/loop-control", "/sbin/mke2fs"].find((path) => !existsSync(path)) ?? false);

/** A file as a block device, until the scope ends. */
export async function loopDevice(
  file: string,
  { sectorSize = 512, readOnly = false }: { readonly sectorSize?: number; readonly readOnly?: boolean } = {},
): Promise<{ readonly path: string } & AsyncDisposable> {
  const argv = ["losetup", "--find", "--show", "--sector-size", String(sectorSize), ...(readOnly ? ["--read-only"] : [])];
  const path = (await run([...(argv as [string]), file])).stdout.trim();
  return { path, [Symbol.asyncDispose]: async () => void (await run(["losetup", "--detach", path])) };
}
