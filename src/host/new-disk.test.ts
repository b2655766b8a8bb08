/** Judged by what a build makes of the same image. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { before, test } from "node:test";
import { smallImage } from "../../tests/support/small-image.ts";
import { testTools } from "../../tests/support/tools.ts";
import { diskOfImage } from "../build/image-disk.ts";
import { makeLoaderKit } from "../build/loader-kit.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { DISK_PARTITIONS, planDisk } from "../layout/disk.ts";
import { decodeGpt } from "../layout/gpt.ts";
import { decodeInstallMark, INSTALL_MARK_OFFSET, INSTALL_MARK_SIZE } from "../layout/install-mark.ts";
import { decodeLoaderKit } from "../layout/loader-kit.ts";
import { newDiskGuids } from "../layout/new-disk.ts";
import { openImage } from "./image-file.ts";
import { openNewDisk } from "./new-disk.ts";
import type { Run } from "./run.ts";
import type { Tools } from "./tools.ts";

const SLOT: Bytes = 16 * MiB;
const EFI_GEOMETRY: ReadonlySet<Bytes> = new Set([19, 20, 24, 26, 32, 33, 34, 35]);
const signal = new AbortController().signal;
let tools: Tools;
before(async () => {
  tools = await testTools();
});
/** The same bytes in every run. */
function countedRandom(): (length: number) => Uint8Array {
  let n = 0;
  return (length) => createHash("sha256").update(`random ${n++}`).digest().subarray(0, length);
}
const inFolder =
  (folder: string): Run =>
  async ([program, ...args], { env, stdin } = {}) =>
    await tools.run([basename(program), ...args], {
      ...{ binds: [{ source: folder, writable: true }], env: env ?? {} },
      ...(stdin === undefined ? {} : { stdin }),
    });

test("an installation makes, partition for partition, the disk that a build makes; its own files are on oem, and what began it is marked", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-new-disk-"));
  const at = (name: string): string => join(folder.path, name);
  const { bytes, manifest, digest } = await smallImage(tools, 2000);
  await writeFile(at("image"), bytes);
  await mkdir(at("build"));
  const plan = planDisk({ imageSize: bytes.length, slotSize: SLOT });
  const request = { image: at("image"), slotSize: SLOT, work: at("build") };
  await diskOfImage(request, [{ format: "raw", path: at("disk") }], { tools, random: countedRandom(), signal });

  const time = manifest.created;
  const loader = decodeLoaderKit(await makeLoaderKit(tools, { slotSize: SLOT, time, work: at("build") }, signal));
  const work = at("work");
  const oem = [
    { path: "machine.yaml", text: "#cloud-config\n" },
    { path: "identity/node-key.pem", text: "a key\n" },
  ];
  {
    await using made = await openNewDisk(
      { run: inFolder(folder.path), programs: "/any", work, signal },
      {
        ...{ plan, guids: newDiskGuids(countedRandom()), loader, oem, time, source: "a-test" },
        image: { path: at("image"), size: bytes.length, digest },
      },
    );
    assert.equal(made.size, plan.size);
    using built = openImage(at("disk"));
    const differs = async (start: Bytes, size: Bytes): Promise<Bytes[]> => {
      const found: Bytes[] = [];
      for (let place = start; place < start + size; place += MiB) {
        const length = Math.min(MiB, start + size - place);
        const [one, other] = [await made.read(place, length), built.read(place, length)];
        assert.equal(one.length, length);
        if (Buffer.compare(one, other) === 0) continue;
        for (let i = 0; i < length; i++) if (one[i] !== other[i]) found.push(place + i - start);
      }
      return found;
    };
    assert.deepEqual(await differs(0, MiB), [], "boot sector and tables");
    assert.deepEqual(await differs(plan.size - MiB, MiB), [], "backup tables");
    for (const name of DISK_PARTITIONS) {
      const { start, size } = plan.partitions[name];
      const found = await differs(start, size);
      // Tracks and heads, and whole tracks: mkfs.vfat makes them from the size of the disk.
      if (name === "efi")
        assert.ok(
          found.every((place) => EFI_GEOMETRY.has(place)),
          found.join(),
        );
      else if (name === "record") {
        assert.ok(found.length > 0 && found.every((place) => place >= INSTALL_MARK_OFFSET && place < INSTALL_MARK_OFFSET + 4096));
        assert.equal(decodeInstallMark(await made.read(start + INSTALL_MARK_OFFSET, INSTALL_MARK_SIZE)), "a-test");
      } else if (name === "oem") assert.ok(found.length > 0);
      else assert.deepEqual(found, [], name);
    }
    const first = Buffer.from(await made.read(0, MiB));
    const table = decodeGpt((offset, length) => first.subarray(offset, offset + length), plan.size, 512);
    assert.equal(table.partitions.length, DISK_PARTITIONS.length);

    const { start, size } = plan.partitions.oem;
    const copy = Buffer.alloc(size);
    for (let done = 0; done < size; done += MiB) copy.set(await made.read(start + done, MiB), done);
    await writeFile(at("oem"), copy);
  }
  assert.ok(!(await readdir(folder.path)).includes("work"), "nothing is left in memory");
  const tool = async (...argv: [string, ...string[]]): Promise<string> =>
    (await tools.run(argv, { binds: [{ source: at("oem") }] })).stdout;
  await tool("e2fsck", "-fn", at("oem"));
  const stats = await tool("debugfs", "-R", "stats -h", at("oem"));
  assert.doesNotMatch(stats, /orphan_file|metadata_csum_seed|needs_recovery/);
  const listed = async (path: string): Promise<string[]> =>
    [...(await tool("debugfs", "-R", `ls -p ${path}`, at("oem"))).matchAll(/^\/\d+\/(\d+)\/(\d+)\/(\d+)\/([^/]+)\/\d*\/$/gm)].map(
      ([, mode, uid, gid, name]) => `${name} ${mode} ${uid}:${gid}`,
    );
  assert.deepEqual((await listed("/")).toSorted(), [
    ". 040755 0:0",
    ".. 040755 0:0",
    "identity 040700 0:0",
    "lost+found 040700 0:0",
    "machine.yaml 100600 0:0",
  ]);
  assert.deepEqual((await listed("/identity")).at(-1), "node-key.pem 100600 0:0");
  assert.equal(await tool("debugfs", "-R", "cat /machine.yaml", at("oem")), "#cloud-config\n");
});
