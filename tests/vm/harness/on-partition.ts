import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { KiB } from "../../../src/core/units.ts";
import { openImage } from "../../../src/host/image-file.ts";
import { decodeGpt } from "../../../src/layout/gpt.ts";
import type { Patch } from "../../../src/layout/patch.ts";
import type { VmHost } from "../../../src/vm/vm.ts";

const BLOCK = 4 * KiB;

/** A file more on a partition. Folders that lead to it are made. */
export interface LaidFile {
  /** From the partition's root, with a slash first. */
  readonly path: string;
  readonly content: string | Uint8Array;
  /** Default 0644. */
  readonly mode?: number;
}

/** Files more on a partition, as somebody brings them who has the disk of a machine that does not run. They are root's. */
export async function onPartition(
  { host: { tools }, disk }: { readonly host: Pick<VmHost, "tools">; readonly disk: string },
  name: "oem" | "persistent",
  files: readonly LaidFile[],
): Promise<Patch[]> {
  using image = openImage(disk);
  const { start, size } = decodeGpt(image.read, image.size, 512).partitions.find((partition) => partition.name === name)!;
  const before = image.read(start, size);
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-partition-"));
  const partition = join(folder.path, "partition");
  await writeFile(partition, before);
  const requests: string[] = [];
  for (const [index, { path, content, mode = 0o644 }] of files.entries()) {
    const source = join(folder.path, `file${index}`);
    await writeFile(source, content, { mode });
    // debugfs takes `/folder` for one in the folder that it is in. One that is there already is none the worse for it.
    requests.push("cd /", ...foldersTo(path).map((one) => `mkdir ${one}`));
    requests.push(`cd ${dirname(path)}`, `write ${source} ${path.slice(path.lastIndexOf("/") + 1)}`);
  }
  await tools.run(["debugfs", "-w", "-f", "-", partition], {
    binds: [{ source: folder.path, writable: true }],
    stdin: `${requests.join("\n")}\n`,
  });
  using changed = openImage(partition);
  const after = changed.read(0, size);
  return differences(before, after).map(({ offset, data }) => ({ offset: start + offset, data }));
}

const foldersTo = (path: string): string[] =>
  path
    .split("/")
    .slice(1, -1)
    .map((_, index, parts) => parts.slice(0, index + 1).join("/"));

/** One patch for blocks that follow each other. */
function differences(before: Uint8Array, after: Uint8Array): Patch[] {
  const found: Patch[] = [];
  for (let offset = 0; offset < after.length; offset += BLOCK) {
    const data = after.subarray(offset, offset + BLOCK);
    if (Buffer.compare(data, before.subarray(offset, offset + BLOCK)) === 0) continue;
    const last = found.at(-1);
    if (last !== undefined && last.offset + last.data.length === offset)
      found[found.length - 1] = { offset: last.offset, data: after.subarray(last.offset, offset + data.length) };
    else found.push({ offset, data });
  }
  return found;
}
