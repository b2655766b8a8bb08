import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KiB } from "../../../src/core/units.ts";
import { openImage } from "../../../src/host/image-file.ts";
import { decodeGpt } from "../../../src/layout/gpt.ts";
import type { Patch } from "../../../src/layout/patch.ts";
import type { VmHost } from "../../../src/vm/vm.ts";

const BLOCK = 4 * KiB;

/** A file more on the oem partition, in its root, as somebody brings it who has the disk of a machine that has never run. */
export async function onOem(
  { host: { tools }, disk }: { readonly host: Pick<VmHost, "tools">; readonly disk: string },
  name: string,
  text: string,
): Promise<Patch[]> {
  using image = openImage(disk);
  const { start, size } = decodeGpt(image.read, image.size, 512).partitions.find((partition) => partition.name === "oem")!;
  const before = image.read(start, size);
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-oem-"));
  const [partition, file] = [join(folder.path, "oem"), join(folder.path, "file")];
  await writeFile(partition, before);
  await writeFile(file, text);
  await tools.run(["debugfs", "-w", "-R", `write ${file} ${name}`, partition], {
    binds: [{ source: folder.path, writable: true }],
  });
  using changed = openImage(partition);
  const after = changed.read(0, size);
  return Array.from({ length: size / BLOCK }, (_, index) => index * BLOCK).flatMap((offset) => {
    const data = after.subarray(offset, offset + BLOCK);
    return Buffer.compare(data, before.subarray(offset, offset + BLOCK)) === 0 ? [] : [{ offset: start + offset, data }];
  });
}
