import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { testTools } from "../../tests/support/tools.ts";
import type { ModuleIndex } from "../layout/kernel-modules.ts";
import { buildInitrd, microcodeIn, type InitrdInput } from "./initrd.ts";

const MODULES = "usr/lib/modules/6.1-test";
const STORED = ["block/loop", "block/virtio_blk", "md/dm-mod", "md/dm-verity"].map((name) => `kernel/drivers/${name}.ko`);

const moduleText = (path: string): string => `module ${path}\0restart_on_corruption\0restart_on_error\0`;

interface Made {
  readonly path: string;
  readonly build: (options?: Partial<InitrdInput>) => Promise<Buffer>;
}

/** A root file system with a kernel's modules and microcode, and nothing else. */
async function fixture(folder: string): Promise<Made> {
  const tools = await testTools();
  const root = join(folder, "root");
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  for (const path of [...STORED, "kernel/sound/snd.ko"]) await put(`${MODULES}/${path}`, moduleText(path));
  const [verity] = STORED.slice(-1);
  const lines = [...STORED.slice(0, -1), "kernel/sound/snd.ko"].map((path) => `${path}:`);
  lines.push(`${verity}: kernel/drivers/md/dm-mod.ko`);
  await put(`${MODULES}/modules.dep`, `${lines.join("\n")}\n`);
  await put(`${MODULES}/modules.alias`, "alias virtio:d00000002v* virtio_blk\n");
  await put(`${MODULES}/modules.softdep`, "");
  await put("usr/lib/firmware/intel-ucode/06-03-02", "intel one;");
  await put("usr/lib/firmware/intel-ucode/06-05-00", "intel two;");
  await put("usr/lib/firmware/intel-ucode/README", "no microcode");
  let count = 0;
  return {
    path: root,
    build: async (options = {}) => {
      const work = join(folder, `work${count++}`);
      await mkdir(work);
      const kernel = { version: "6.1-test", modules: join(root, MODULES) };
      const input = { root, kernel, sourceDateEpoch: 1_790_000_000, ...options };
      const size = await buildInitrd(tools, input, join(work, "initrd"), work);
      const bytes = await readFile(join(work, "initrd"));
      assert.equal(bytes.length, size);
      return bytes;
    },
  };
}

/** Files of the first archive in `bytes`, and where it ends. */
function unpack(bytes: Buffer): { files: Map<string, Buffer>; end: number } {
  const files = new Map<string, Buffer>();
  const align = (at: number): number => Math.ceil(at / 4) * 4;
  for (let at = 0; ;) {
    assert.equal(bytes.toString("latin1", at, at + 6), "070701");
    const field = (index: number): number =>
      Number.parseInt(bytes.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const name = bytes.toString("latin1", at + 110, at + 110 + field(11) - 1);
    const data = align(at + 110 + field(11));
    const end = data + field(6);
    at = align(end);
    if (name === "TRAILER!!!") return { files, end: at };
    files.set(name, bytes.subarray(data, end));
  }
}

const temporary = async () => await mkdtempDisposable(join(tmpdir(), "petrify-initrd-"));

test("an initrd holds one program, the modules a root needs and an index of them", async () => {
  await using folder = await temporary();
  const { build } = await fixture(folder.path);
  const { files } = unpack(await build());
  const names = [...files.keys()].filter((name) => files.get(name)!.length > 0);
  assert.deepEqual(names, [
    "init",
    "lib/modules/kernel/drivers/block/loop.ko",
    "lib/modules/kernel/drivers/block/virtio_blk.ko",
    "lib/modules/kernel/drivers/md/dm-mod.ko",
    "lib/modules/kernel/drivers/md/dm-verity.ko",
    "lib/modules/index.json",
  ]);
  for (const name of names.slice(1, -1)) {
    assert.equal(files.get(name)!.toString(), moduleText(name.slice("lib/modules/".length)));
  }
  const index = JSON.parse(files.get("lib/modules/index.json")!.toString()) as ModuleIndex;
  assert.deepEqual(index.modules["dm_verity"], { file: "kernel/drivers/md/dm-verity.ko", after: ["dm_mod"] });
  assert.deepEqual(index.verityOptions, ["restart_on_error"], "the option that the kernel's module knows");
});

test("every folder comes before what is in it", async () => {
  await using folder = await temporary();
  const names = [...unpack(await (await fixture(folder.path)).build()).files.keys()];
  for (const [index, name] of names.entries()) {
    if (name.includes("/")) assert.ok(names.indexOf(dirname(name)) >= 0 && names.indexOf(dirname(name)) < index, name);
  }
});

test("its program needs no library and no loader", async () => {
  await using folder = await temporary();
  const program = unpack(await (await fixture(folder.path)).build()).files.get("init")!;
  const headers = program.readUInt16LE(56);
  const types = Array.from({ length: headers }, (_, i) => program.readUInt32LE(Number(program.readBigUInt64LE(32)) + i * 56));
  assert.ok(types.includes(1), "nothing is loaded: this is no program");
  assert.equal(types.includes(3), false, "it asks for a loader");
  assert.equal(types.includes(2), false, "it asks for libraries");
  const tools = await testTools();
  await writeFile(join(folder.path, "init"), program, { mode: 0o755 });
  const { stderr } = await tools.run([join(folder.path, "init")], { binds: [{ source: folder.path }], okExit: [64] });
  assert.match(stderr, /usage: .* persist/);
});

test("the same input gives the same bytes, wherever and whenever it is built", async () => {
  await using one = await temporary();
  await using other = await temporary();
  const first = await (await fixture(one.path)).build({ microcode: ["intel"] });
  const umask = process.umask(0o077);
  try {
    assert.ok(first.equals(await (await fixture(other.path)).build({ microcode: ["intel"] })));
  } finally {
    process.umask(umask);
  }
});

test("the microcode that a root holds is found by its files", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-initrd-"));
  assert.deepEqual(await microcodeIn(dir.path), []);
  await fixture(dir.path);
  assert.deepEqual(await microcodeIn(join(dir.path, "root")), ["intel"]);
  await rm(join(dir.path, "root/usr/lib/firmware/intel-ucode"), { recursive: true });
  assert.deepEqual(await microcodeIn(join(dir.path, "root")), []);
});

test("microcode stands in front, in an archive of its own that is never compressed", async () => {
  await using folder = await temporary();
  const { build } = await fixture(folder.path);
  const bytes = await build({ microcode: ["intel"], compression: "zstd" });
  const { files, end } = unpack(bytes);
  assert.equal(files.get("kernel/x86/microcode/GenuineIntel.bin")!.toString(), "intel one;intel two;");
  assert.deepEqual([...unpack(zstdDecompressSync(bytes.subarray(end))).files.keys()], [...unpack(await build()).files.keys()]);
});

for (const [version, options] of [
  ["6.1.9-monolithic", []],
  ["6.12.0", ["restart_on_error"]],
] as const) {
  test(`a kernel ${version} that has everything built in needs no modules, and its version tells what its verity knows`, async () => {
    await using folder = await temporary();
    const { build } = await fixture(folder.path);
    const { files } = unpack(await build({ kernel: { version, modules: undefined } }));
    const index = JSON.parse(files.get("lib/modules/index.json")!.toString()) as ModuleIndex;
    assert.deepEqual([index.modules, index.always, index.verityOptions], [{}, [], options]);
  });
}

for (const [what, change, code, message] of [
  [
    "a module that is not there",
    [`${MODULES}/kernel/drivers/block/loop.ko`],
    "KERNEL_INCOMPLETE",
    /modules.dep names \S+loop.ko/,
  ],
  ["a kernel without depmod's files", [`${MODULES}/modules.dep`], "KERNEL_INCOMPLETE", /no modules.dep/],
  ["a root without microcode", ["usr/lib/firmware"], "MICROCODE_MISSING", /no intel microcode/],
] as const) {
  test(`${what} is refused before anything is written`, async () => {
    await using folder = await temporary();
    const { path, build } = await fixture(folder.path);
    for (const name of change) await rm(join(path, name), { recursive: true });
    await assert.rejects(build({ microcode: ["intel"] }), { code, message });
  });
}
