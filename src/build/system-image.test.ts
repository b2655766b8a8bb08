import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtempDisposable, open, readdir, readFile, utimes, watch, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { MiB } from "../core/units.ts";
import type { Tools } from "../host/tools.ts";
import { decodeGpt } from "../layout/gpt.ts";
import { systemImageParts } from "../layout/system-image.ts";
import { formatManifest, type Manifest } from "../release/manifest.ts";
import { assembleSystemImage } from "./system-image.ts";
import { formatVerity, VERITY_SALT } from "./verity.ts";

const facts = { name: "test", version: "1", architecture: "x86-64", kernel: "6.12.0", created: 1_700_000_000 } as const;
/** Bytes that do not compress and are the same in every run. */
const noise = (length: number, seed: string): Uint8Array =>
  Buffer.concat(
    Array.from({ length: Math.ceil(length / 32) }, (_, i) => createHash("sha256").update(`${seed} ${i}`).digest()),
  ).subarray(0, length);
const vmlinuz = noise(3 * MiB + 77, "kernel");
const initrd = noise(MiB, "initrd");
const imageCfg = 'set petrify_cmdline="petrify.roothash=… panic=5"\n';

let tools: Tools;
before(async () => {
  tools = await testTools();
});

interface Made {
  readonly bytes: Buffer;
  readonly manifest: Manifest;
}
/** Everything from the same contents, in a folder of its own. */
async function make(folder: string, signal?: AbortSignal): Promise<Made> {
  const tree = join(folder, "tree");
  await mkdir(join(tree, "usr/bin"), { recursive: true });
  await writeFile(join(tree, "usr/bin/program"), noise(700_000, "program"));
  await writeFile(join(folder, "vmlinuz"), vmlinuz);
  await writeFile(join(folder, "initrd"), initrd);
  const root = join(folder, "root.erofs");
  await tools.run(["mkfs.erofs", "--quiet", "-T", "1", "-U", "clear", "--all-root", root, tree], {
    binds: [{ source: folder, writable: true }],
  });
  const verity = join(folder, "root.verity");
  const rootHash = await formatVerity(tools, root, verity);
  const output = join(folder, "out/image.raw");
  const parts = { facts, vmlinuz: join(folder, "vmlinuz"), initrd: join(folder, "initrd"), imageCfg, root, verity, rootHash };
  const manifest = await assembleSystemImage(tools, parts, output, folder, signal);
  return { bytes: await readFile(output), manifest };
}

test("the same parts give the same image, byte for byte, at another time and place", async () => {
  await using one = await mkdtempDisposable(join(tmpdir(), "petrify-image-"));
  await using two = await mkdtempDisposable(join(tmpdir(), "petrify-other-"));
  const first = await make(one.path);
  await utimes(two.path, 1, 1);
  const second = await make(two.path);
  assert.deepEqual(first.manifest, second.manifest);
  assert.equal(Buffer.compare(first.bytes, second.bytes), 0);
});

test("an image holds what its manifest says, and the field's own tools agree", async (t) => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify image-"));
  const { bytes, manifest } = await make(dir.path);
  const image = join(dir.path, "out/image.raw");
  const read = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
  const parts = systemImageParts(decodeGpt(read, bytes.length, 512), manifest.rootHash);
  const tool = async (...argv: [string, ...string[]]) =>
    await tools.run(argv, {
      binds: [
        { source: image, target: "/tmp/image" },
        { source: dir.path, target: "/tmp/parts" },
      ],
    });

  await t.test("sizes are those of the partitions", () => {
    const sizes = { image: bytes.length, boot: parts.boot.size, root: parts.root.size, rootVerity: parts.verity.size };
    assert.deepEqual(manifest.sizes, sizes);
  });
  await t.test("bytes outside the partitions and tables are zero", () => {
    const covered = [...Object.values(parts), { start: 0, size: MiB }, { start: bytes.length - MiB, size: MiB }];
    const rest = Buffer.from(bytes);
    for (const { start, size } of covered) rest.fill(0, start, start + size);
    assert.ok(rest.every((byte) => byte === 0));
  });
  await t.test("sfdisk accepts the table", async () => {
    assert.match((await tool("sfdisk", "--verify", "/tmp/image")).stdout, /No errors detected/);
  });
  await t.test("veritysetup verifies the root against the hash tree", async () => {
    for (const name of ["root", "verity"] as const) {
      await writeFile(join(dir.path, `cut-${name}`), read(parts[name].start, parts[name].size));
    }
    await tool("veritysetup", "verify", "/tmp/parts/cut-root", "/tmp/parts/cut-verity", manifest.rootHash);
    await using file = await open(join(dir.path, "cut-root"), "r+");
    await file.write(Uint8Array.of(1), 0, 1, 100_000);
    await assert.rejects(tool("veritysetup", "verify", "/tmp/parts/cut-root", "/tmp/parts/cut-verity", manifest.rootHash));
  });
  await t.test("the salt in the manifest makes the same tree", async () => {
    assert.equal(manifest.veritySalt, VERITY_SALT);
    assert.match((await tool("veritysetup", "dump", "/tmp/parts/cut-verity")).stdout, new RegExp(`Salt:\\s+${VERITY_SALT}`));
  });
  await t.test("GRUB reads every boot file, and the sums are right", async () => {
    const cat = async (name: string): Promise<string> =>
      (await tool("grub-fstest", "/tmp/image", "cat", `(loop0,gpt1)/${name}`)).stdout;
    await tool("grub-fstest", "/tmp/image", "cmp", "(loop0,gpt1)/vmlinuz", "/tmp/parts/vmlinuz");
    await tool("grub-fstest", "/tmp/image", "cmp", "(loop0,gpt1)/initrd", "/tmp/parts/initrd");
    assert.equal(await cat("image.cfg"), imageCfg);
    assert.equal(await cat("manifest.json"), formatManifest(manifest));
    const sum = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
    assert.equal(await cat("SHA256SUMS"), `${sum(vmlinuz)}  vmlinuz\n${sum(initrd)}  initrd\n${sum(imageCfg)}  image.cfg\n`);
    assert.deepEqual(manifest.boot, { vmlinuz: sum(vmlinuz), initrd: sum(initrd), "image.cfg": sum(imageCfg) });
  });
  await t.test("the boot partition passes fsck", async () => {
    await writeFile(join(dir.path, "cut-boot"), read(parts.boot.start, parts.boot.size));
    assert.match((await tool("fsck.vfat", "-n", "/tmp/parts/cut-boot")).stdout, /6 files/);
  });
});

test("an aborted assembly leaves nothing where the image would have been", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-image-"));
  const stop = new AbortController();
  const folder = join(dir.path, "out");
  await mkdir(folder);
  const changes = watch(folder);
  const making = make(dir.path, stop.signal);
  for await (const { filename } of changes) if (filename?.endsWith(".partial")) break;
  stop.abort(new Error("stopped"));
  await assert.rejects(making, { message: "stopped" });
  assert.deepEqual(await readdir(folder), []);
});
