import assert from "node:assert/strict";
import { mkdtempDisposable, open, readdir, readFile, stat, watch, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { MiB } from "../core/units.ts";
import { partialFile } from "../host/partial-file.ts";
import { openImage } from "../host/image-file.ts";
import { run } from "../host/run.ts";
import { copySparse } from "../host/sparse.ts";
import type { Tools } from "../host/tools.ts";
import { bootableKind } from "../vm/bootable.ts";
import { DISK_LABELS, DISK_PARTITIONS, type DiskGuids } from "../layout/disk.ts";
import { DISK_FORMATS } from "./disk-format.ts";
import { buildDisk, type DiskInput } from "./disk.ts";
import { piecesOf } from "../layout/mke2fs.ts";
import { assembleSystemImage } from "./system-image.ts";
import { formatVerity } from "./verity.ts";

const guidsOf = (seed: string): DiskGuids =>
  Object.fromEntries(
    ["disk", ...DISK_PARTITIONS].map((name, i) => [name, `${seed.repeat(8)}-1111-4111-8111-00000000000${i}`]),
  ) as unknown as DiskGuids;
const tries = new TextEncoder().encode("# GRUB Environment Block\ntry_a=3\n".padEnd(1024, "#"));
const marker = new TextEncoder().encode("a record");
const inputFor = (image: string): DiskInput => ({
  images: { a: image, recovery: image },
  slotSize: 64 * MiB,
  guids: guidsOf("a"),
  record: [{ offset: 65_536, data: marker }],
  tries,
  loader: {
    biosPatches: [
      { offset: 0, data: new Uint8Array(440).fill(0x90) },
      { offset: MiB, data: new Uint8Array(1000).fill(0x91) },
    ],
    espFiles: [
      { path: "/EFI/BOOT/BOOTX64.EFI", data: "a loader" },
      { path: "/grub/grub.cfg", data: "echo hello\n" },
    ],
  },
  time: 1_700_000_000,
});
const raw = (path: string) => [{ format: "raw", path }] as const;

let tools: Tools;
before(async () => {
  tools = await testTools();
});
/** A small system image with a recognisable kernel. */
async function makeImage(folder: string): Promise<string> {
  const at = (name: string): string => join(folder, name);
  await writeFile(at("vmlinuz"), Buffer.alloc(2 * MiB, "kernel "));
  await writeFile(at("initrd"), "initrd");
  await writeFile(at("root"), Buffer.alloc(MiB, "root "));
  const rootHash = await formatVerity(tools, at("root"), at("tree"));
  const facts = { name: "test", version: "1", architecture: "x86-64", kernel: "6", created: 1_700_000_000 } as const;
  const parts = {
    facts,
    vmlinuz: at("vmlinuz"),
    initrd: at("initrd"),
    imageCfg: "set x=y\n",
    root: at("root"),
    verity: at("tree"),
    rootHash,
  };
  await assembleSystemImage(tools, parts, at("image.raw"), folder);
  return at("image.raw");
}

test("the disk holds what was put in, and the field's own tools agree", async (t) => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify disk-"));
  const image = await makeImage(dir.path);
  const output = join(dir.path, "disk.raw");
  const plan = await buildDisk(tools, inputFor(image), raw(output), dir.path);
  const { partitions } = plan;
  const tool = async (...argv: [string, ...string[]]) =>
    await tools.run(argv, {
      binds: [
        { source: output, target: "/tmp/disk" },
        { source: dir.path, target: "/tmp/dir", writable: true },
      ],
    });
  const at = (name: keyof typeof partitions): string => `/tmp/disk?offset=${partitions[name].start}`;
  await using file = await open(output, "r");
  const read = async (offset: number, length: number): Promise<Buffer> =>
    (await file.read(Buffer.alloc(length), 0, length, offset)).buffer;
  const cut = async (name: keyof typeof partitions, to: string): Promise<void> => {
    await using copy = await partialFile(join(dir.path, to), partitions[name].size);
    await copySparse(output, copy.path, [{ from: partitions[name].start, length: partitions[name].size, to: 0 }]);
    await copy.finish();
  };

  await t.test("sfdisk sees the seven partitions with sectors of 512 and of 4096 bytes", async () => {
    for (const sector of ["512", "4096"]) {
      assert.match((await tool("sfdisk", "--sector-size", sector, "--verify", "/tmp/disk")).stdout, /No errors detected/);
      const { stdout } = await tool("sfdisk", "--sector-size", sector, "--json", "/tmp/disk");
      const table = (JSON.parse(stdout) as { partitiontable: { partitions: { name: string }[] } }).partitiontable;
      assert.deepEqual(
        table.partitions.map(({ name }) => name),
        DISK_PARTITIONS,
      );
    }
  });
  await t.test("the boot loader and the record are in their places", async () => {
    assert.ok((await read(0, 440)).every((byte) => byte === 0x90));
    assert.ok((await read(MiB, 1000)).every((byte) => byte === 0x91));
    assert.deepEqual(await read(partitions.record.start + 65_536, 8), Buffer.from(marker));
  });
  for (const name of ["oem", "recovery", "state", "persistent"] as const) {
    await t.test(`e2fsck finds nothing to mend in ${name}, which has its label and GRUB's features only`, async () => {
      await tool("e2fsck", "-fn", at(name));
      const { stdout } = await tool("debugfs", "-R", "stats -h", at(name));
      assert.match(stdout, new RegExp(`volume name: +${DISK_LABELS[name]}\n`));
      assert.match(stdout, /Block size: +4096\n/);
      assert.doesNotMatch(stdout, /orphan_file|metadata_csum_seed|needs_recovery/);
    });
  }
  await t.test("each image file has its whole capacity as one run of written blocks", async () => {
    const files = [
      ["state", "a.img", plan.slotSize],
      ["state", "b.img", plan.slotSize],
      ["recovery", "recovery1.img", plan.recoverySize],
      ["recovery", "recovery2.img", plan.recoverySize],
    ] as const;
    for (const [part, name, capacity] of files) {
      const { stdout } = await tool("debugfs", "-R", `dump_extents -l /${name}`, at(part));
      const pieces = piecesOf(name, stdout, 0, capacity);
      for (const [i, { to, length }] of pieces.entries()) assert.equal(pieces[i + 1]?.to ?? to + length, to + length, name);
    }
  });
  await t.test("debugfs reads back the images, and zeros in what has none", async () => {
    const wanted = await readFile(image);
    for (const [part, name, bytes] of [
      ["state", "a.img", wanted],
      ["recovery", "recovery1.img", wanted],
      ["state", "b.img", Buffer.alloc(0)],
    ] as const) {
      await tool("debugfs", "-R", `dump /${name} /tmp/dir/dump`, at(part));
      const dump = await readFile(join(dir.path, "dump"));
      assert.equal(Buffer.compare(dump.subarray(0, bytes.length), bytes), 0, name);
      assert.equal(Buffer.compare(dump.subarray(bytes.length), Buffer.alloc(dump.length - bytes.length)), 0, name);
    }
  });
  await t.test("GRUB reads a kernel out of an image in a file of the state partition", async () => {
    const length = String((await stat(image)).size);
    for (const [from, copy] of [
      ["(loop0,gpt6)/a.img", "/tmp/dir/a.img"],
      ["(loop0,gpt5)/recovery1.img", "/tmp/dir/r.img"],
    ] as const) {
      await tool("grub-fstest", "-n", length, "/tmp/disk", "cp", from, copy);
      await tool("grub-fstest", copy, "cmp", "(loop0,gpt1)/vmlinuz", "/tmp/dir/vmlinuz");
    }
  });
  await t.test("the efi partition is a sound FAT of 4096-byte sectors, and GRUB reads its files", async () => {
    await cut("efi", "efi.img");
    assert.match(
      (await tool("fsck.vfat", "-vn", "/tmp/dir/efi.img")).stdout,
      /4096 bytes per logical sector\n +4096 bytes per cluster/,
    );
    const cat = async (path: string): Promise<string> =>
      (await tool("grub-fstest", "/tmp/disk", "cat", `(loop0,gpt2)${path}`)).stdout;
    assert.equal(await cat("/EFI/BOOT/BOOTX64.EFI"), "a loader");
    assert.equal(await cat("/grub/grub.cfg"), "echo hello\n");
    assert.equal(await cat("/petrify/tries.env"), Buffer.from(tries).toString());
  });
  await t.test("the file stays sparse", async () => {
    const stored = (await stat(output)).blocks * 512;
    assert.ok(stored < 40 * MiB, `${stored / MiB} MiB stored of ${plan.size / MiB}`);
  });
});

test("fixed GUIDs and time give the same disk, others give another", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-disk-"));
  const image = await makeImage(dir.path);
  const make = async (name: string, more: Partial<DiskInput>): Promise<void> => {
    await buildDisk(tools, { ...inputFor(image), ...more }, raw(join(dir.path, name)), join(dir.path, `work-${name}`));
  };
  await make("first", {});
  await make("second", {});
  await make("third", { guids: guidsOf("b") });
  const sameAsFirst = async (name: string): Promise<boolean> => {
    const argv = ["qemu-img", "compare", "-f", "raw", "-F", "raw", "/tmp/d/first", `/tmp/d/${name}`] as const; // passes over holes
    return (await tools.run(argv, { binds: [{ source: dir.path, target: "/tmp/d" }], okExit: [0, 1] })).exitCode === 0;
  };
  assert.ok(await sameAsFirst("second"));
  assert.ok(!(await sameAsFirst("third")));
});

test("every form of a disk has the same contents, is whole, and has its checksum beside it", async (t) => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-disk-"));
  const image = await makeImage(dir.path);
  const out = join(dir.path, "out");
  const outputs = DISK_FORMATS.map((format) => ({ format, path: join(out, `disk.${format}`), checksum: true }));
  const plan = await buildDisk(tools, inputFor(image), outputs, join(dir.path, "work"));
  const qemuImg = async (...args: readonly string[]): Promise<string> =>
    (await tools.run(["qemu-img", ...args], { binds: [{ source: out, target: "/tmp/d" }] })).stdout;
  for (const format of ["qcow2", "vmdk", "vhdx"] as const) {
    await t.test(`qemu-img finds no fault in ${format}, and what raw has in it`, async () => {
      await qemuImg("check", "-f", format, `/tmp/d/disk.${format}`);
      await qemuImg("compare", "-f", "raw", "-F", format, "/tmp/d/disk.raw", `/tmp/d/disk.${format}`);
      const info = JSON.parse(await qemuImg("info", "--output=json", "-f", format, `/tmp/d/disk.${format}`)) as {
        "virtual-size": number;
        "format-specific"?: { data: Record<string, unknown> };
      };
      assert.equal(info["virtual-size"], plan.size);
      if (format === "vmdk") assert.equal(info["format-specific"]!.data["create-type"], "streamOptimized");
      using file = openImage(join(out, `disk.${format}`));
      assert.equal(bootableKind(file), format);
    });
  }
  await t.test("its size is a whole number of MiB, as Hyper-V and its clouds want it", () => assert.equal(plan.size % MiB, 0));
  await t.test("the checksums are right, and there is nothing else", async () => {
    for (const { path } of outputs) await run(["sha256sum", "--check", "--strict", `${path}.sha256`], { cwd: out });
    assert.deepEqual(
      (await readdir(out)).toSorted(),
      DISK_FORMATS.flatMap((format) => [`disk.${format}`, `disk.${format}.sha256`]).toSorted(),
    );
  });
});

test("an image that does not fit is refused before anything is written", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-disk-"));
  const image = await makeImage(dir.path);
  const output = join(dir.path, "out/disk.raw");
  await assert.rejects(buildDisk(tools, { ...inputFor(image), slotSize: 4 * MiB }, raw(output), dir.path), {
    code: "IMAGE_TOO_LARGE",
  });
  await assert.rejects(stat(join(dir.path, "out")), { code: "ENOENT" });
});

test("a loader that does not fit the bios partition is refused", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-disk-"));
  const input = inputFor(await makeImage(dir.path));
  const loader = { ...input.loader, biosPatches: [{ offset: MiB, data: new Uint8Array(MiB + 1) }] };
  await assert.rejects(buildDisk(tools, { ...input, loader }, raw(join(dir.path, "disk.raw")), dir.path), {
    code: "PATCH_OUTSIDE",
  });
});

test("an aborted build leaves nothing", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-disk-"));
  await using out = await mkdtempDisposable(join(tmpdir(), "petrify-disk-"));
  const image = await makeImage(dir.path);
  const stop = new AbortController();
  const changes = watch(out.path);
  const qcow2 = [{ format: "qcow2", path: join(out.path, "disk") }] as const;
  const building = buildDisk(tools, inputFor(image), qcow2, dir.path, stop.signal);
  for await (const { filename } of changes) if (filename?.endsWith(".partial")) break;
  stop.abort(new Error("stopped"));
  await assert.rejects(building, { message: "stopped" });
  assert.deepEqual(await readdir(out.path), []);
});
