/** On files in place of partitions; on real ones: tests/vm/reset.test.ts. */
import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { KiB, MiB } from "../core/units.ts";
import { emptyOemFolder, eraseVolume, makeDataVolume } from "./data-volume.ts";
import type { Run } from "./run.ts";
import type { Tools } from "./tools.ts";

const SIZE = 64 * MiB + 2 * KiB;
const VOLUME = { label: "COS_OEM", partition: "11111111-2222-4333-8444-555555555555", time: 1_800_000_000 };
const signal = new AbortController().signal;
let folder: string;
let tools: Tools;
before(async () => {
  tools = await testTools();
  folder = await mkdtemp(join(tmpdir(), "petrify-data-volume-"));
});
after(async () => await rm(folder, { recursive: true }));

const runInTools: Run = async ([program, ...args], { env } = {}) =>
  await tools.run([basename(program), ...args], { binds: [{ source: folder, writable: true }], env: env ?? {} });

async function garbage(name: string): Promise<string> {
  const path = join(folder, name);
  await using file = await open(path, "w");
  const piece = new Uint8Array(MiB).fill(0x55);
  for (let at = 0; at < SIZE; at += MiB) await file.write(piece, 0, Math.min(MiB, SIZE - at), at);
  return path;
}

suite("a data partition", () => {
  test("that is made anew over garbage is an empty file system that its judge finds clean, as a build makes it", async () => {
    const device = await garbage("anew");
    await makeDataVolume({ run: runInTools, programs: "/any", work: join(folder, "work") }, { ...VOLUME, device }, signal);
    const binds = [{ source: device }];
    await tools.run(["e2fsck", "-fn", device], { binds });
    const { stdout } = await tools.run(["dumpe2fs", "-h", device], { binds });
    const value = (name: string): string => new RegExp(`^${name}: +(.*)$`, "m").exec(stdout)![1]!;
    assert.deepEqual([value("Filesystem volume name"), value("Block count"), value("Block size")], ["COS_OEM", "16384", "4096"]);
    // A build makes them with Debian's own configuration.
    const built = join(folder, "built");
    await writeFile(built, "");
    await tools.run(
      [
        "mke2fs",
        "-q",
        "-F",
        "-t",
        "ext4",
        "-O",
        "^metadata_csum_seed,^orphan_file",
        "-T",
        "default",
        "-b",
        "4096",
        "-I",
        "256",
        built,
        "65536k",
      ],
      {
        binds: [{ source: folder, writable: true }],
      },
    );
    const other = (await tools.run(["dumpe2fs", "-h", built], { binds: [{ source: built }] })).stdout;
    for (const name of [
      "Filesystem features",
      "Default mount options",
      "Inode count",
      "Inode size",
      "Journal size",
      "Total journal size",
    ]) {
      const line = new RegExp(`^${name}: +(.*)$`, "m");
      assert.equal(line.exec(stdout)?.[1], line.exec(other)?.[1], name);
    }
    const { stdout: listed } = await tools.run(["debugfs", "-R", "ls -p /", device], { binds });
    assert.deepEqual(
      [...listed.matchAll(/^\/\d+\/\d+\/\d+\/\d+\/([^/]+)\//gm)].map(([, name]) => name),
      [".", "..", "lost+found"],
    );
  });

  test("that is overwritten is zero to its last byte, and says how far it is", async () => {
    const device = await garbage("erased");
    let last: readonly number[] = [];
    await eraseVolume(device, (...progress) => void (last = progress), signal);
    assert.deepEqual(last, [SIZE, SIZE]);
    assert.ok((await readFile(device)).every((byte) => byte === 0));
  });

  test("is no longer overwritten once that is not wanted", async () => {
    const device = await garbage("stopped");
    await assert.rejects(
      eraseVolume(device, () => {}, AbortSignal.abort(new Error("stop"))),
      /stop/,
    );
    assert.equal((await readFile(device))[0], 0x55);
  });
});

suite("what is taken off the oem partition", () => {
  const KEYS = ["identity/node-key.pem", "petrify/etc/ssh/ssh_host_ed25519_key"];
  const CONFIG = ["machine.yaml", "generations/1/machine.yaml", "petrify/etc/other", "petrify/other/deep", ".hidden"];
  const ALWAYS = ["petrify/agent/state-1", "petrify/agent/state-2"];
  const LOG = ["petrify/audit/audit-1", "petrify/audit/head"];
  async function filled(name: string): Promise<string> {
    const top = join(folder, name);
    for (const path of [...KEYS, ...CONFIG, ...ALWAYS, ...LOG, "lost+found/x"]) {
      await mkdir(join(top, path, ".."), { recursive: true });
      await writeFile(join(top, path), path);
    }
    return top;
  }
  const filesIn = async (top: string): Promise<string[]> => {
    const all = await readdir(top, { recursive: true, withFileTypes: true });
    return all
      .filter((one) => !one.isDirectory())
      .map((one) => join(one.parentPath, one.name).slice(top.length + 1))
      .toSorted();
  };

  for (const [keeps, left] of [
    [{ config: true, identity: true }, [...KEYS, ...CONFIG]],
    [{ config: true, identity: false }, CONFIG],
    [{ config: false, identity: true }, KEYS],
  ] as const) {
    test(`with ${JSON.stringify(keeps)}: all but that, and it can be done twice`, async () => {
      const top = await filled(`oem-${keeps.config}-${keeps.identity}`);
      for (let time = 0; time < 2; time++) {
        await emptyOemFolder(top, keeps);
        assert.deepEqual(await filesIn(top), [...left, ...LOG, "lost+found/x"].toSorted());
      }
    });
  }

  test("is nothing that a link of it leads to", async () => {
    const top = await filled("linked");
    const outside = join(folder, "outside");
    await cp(top, outside, { recursive: true });
    await rm(join(top, "petrify"), { recursive: true });
    await symlink(outside, join(top, "petrify"));
    await symlink(outside, join(top, "link"));
    const there = await filesIn(outside);
    await emptyOemFolder(top, { config: false, identity: true });
    assert.deepEqual(await filesIn(outside), there);
    assert.deepEqual(await filesIn(top), ["identity/node-key.pem", "lost+found/x"]);
  });
});
