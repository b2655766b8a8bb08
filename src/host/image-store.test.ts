/** On files in place of a partition; on a real one: tests/vm/recovery.test.ts. */
import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, open, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, suite, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { KiB, MiB, type Bytes } from "../core/units.ts";
import { planDisk, storeCapacity } from "../layout/disk.ts";
import { EXT4_SUPERBLOCK_END, storeSuperblock } from "../layout/ext4.ts";
import { openDirectWriter } from "./direct-write.ts";
import { ERRNO, errnoError } from "./errno.ts";
import { lookAtStore, makeStore, type StoreMeans } from "./image-store.ts";
import type { Run } from "./run.ts";
import type { Tools } from "./tools.ts";

const NAMES = ["a.img", "b.img"];
const SIZE = planDisk({ imageSize: 1, slotSize: 8 * MiB }).partitions.state.size;
const NEW = { label: "COS_STATE", partition: "11111111-2222-4333-8444-555555555555", time: 1_800_000_000, names: NAMES };
const signal = new AbortController().signal;
let folder: string;
let tools: Tools;
before(async () => {
  tools = await testTools();
  folder = await mkdtemp(join(tmpdir(), "petrify-image-store-"));
});
after(async () => await rm(folder, { recursive: true }));

/** The programs of the tools tree, on what they are given in `folder`. */
const runInTools: Run = async ([program, ...args], { env, stdin } = {}) =>
  await tools.run([basename(program), ...args], {
    ...{ binds: [{ source: folder, writable: true }], env: env ?? {} },
    ...(stdin === undefined ? {} : { stdin }),
  });
const means = (): StoreMeans => ({ run: runInTools, programs: "/any", work: join(folder, "work") });

async function garbage(name: string, size: Bytes = SIZE): Promise<string> {
  const path = join(folder, name);
  await using file = await open(path, "w");
  const piece = new Uint8Array(MiB).fill(0x55);
  for (let at = 0; at < size; at += MiB) await file.write(piece, 0, Math.min(MiB, size - at), at);
  return path;
}
async function superblockOf(device: string): ReturnType<typeof asked> {
  await using file = await open(device);
  const { buffer } = await file.read(new Uint8Array(EXT4_SUPERBLOCK_END), 0, EXT4_SUPERBLOCK_END, 0);
  return await asked(buffer);
}
const asked = async (bytes: Uint8Array): Promise<ReturnType<typeof storeSuperblock>> =>
  await Promise.resolve(storeSuperblock(bytes));
const debugfs = async (device: string, request: string): Promise<string> =>
  (await tools.run(["debugfs", "-R", request, device], { binds: [{ source: device }] })).stdout;

suite("a store that is made anew", () => {
  test("is a file system that its judge finds clean, with nothing but the two files, whole and written; their bytes are left as they were", async () => {
    const device = await garbage("anew");
    await makeStore(means(), { ...NEW, device }, signal);
    await tools.run(["e2fsck", "-fn", device], { binds: [{ source: device }] });
    assert.equal(await superblockOf(device), "whole");
    const listed = [...(await debugfs(device, "ls -p /")).matchAll(/^\/\d+\/(\d+)\/\d+\/\d+\/([^/]+)\/(\d*)\/$/gm)];
    assert.deepEqual(
      listed
        .map(([, mode, name, size]) => `${name} ${mode} ${size}`)
        .filter((line) => !/^(\.\.?|lost\+found) /.test(line))
        .toSorted(),
      NAMES.map((name) => `${name} 100600 ${8 * MiB}`),
    );
    await using file = await open(device);
    for (const name of NAMES) {
      const extents = await debugfs(device, `dump_extents -l /${name}`);
      assert.doesNotMatch(extents, /Uninit/);
      const at = Number(await debugfs(device, `bmap /${name} 0`)) * 4 * KiB;
      const { buffer } = await file.read(new Uint8Array(8 * MiB), 0, 8 * MiB, at);
      assert.ok(buffer.every((byte) => byte === 0x55));
    }
    assert.ok(!(await readdir(folder)).includes("work"), "nothing is left in memory");
  });

  test("is, but for times, what a build makes: the same places on any disk", async () => {
    const [one, other] = [await garbage("one"), await garbage("other", SIZE + 2 * MiB)];
    for (const device of [one, other]) await makeStore(means(), { ...NEW, device }, signal);
    for (const name of NAMES) {
      assert.equal(await debugfs(one, `dump_extents -l /${name}`), await debugfs(other, `dump_extents -l /${name}`));
    }
  });

  test("whose making is cut off after any write is no file system, until it is all there", async () => {
    const old = await garbage("old");
    await makeStore(means(), { ...NEW, device: old }, signal);
    for (let cutAfter = 0; ; cutAfter++) {
      const device = join(folder, "cut");
      await copyFile(old, device);
      let left = cutAfter;
      let unflushed = 0;
      const openWriter: typeof openDirectWriter = async (...given) => {
        assert.equal(given[2], "alone");
        const writer = await openDirectWriter(...given);
        return {
          ...writer,
          write: async (offset, bytes) => {
            if (left-- <= 0) throw new Error("cut");
            if (offset === 0) assert.equal(unflushed, 0, "all that belongs to a superblock is durable before it");
            unflushed++;
            await writer.write(offset, bytes);
          },
          flush: async () => {
            unflushed = 0;
            await writer.flush();
          },
        };
      };
      const ended = await makeStore({ ...means(), openWriter }, { ...NEW, device, time: NEW.time + 1 }, signal).then(
        () => true,
        (error: Error) => assert.equal(error.message, "cut"),
      );
      if (ended) {
        assert.ok(cutAfter > 5, `${cutAfter} writes`);
        assert.deepEqual([await superblockOf(device), unflushed], ["whole", 0]);
        break;
      }
      assert.equal(await superblockOf(device), cutAfter === 0 ? "whole" : "none", `cut after ${cutAfter}`);
    }
  });

  test("is not made where two images have no room, nor when its programs fail: nothing is written", async () => {
    const small = await garbage("small", 12 * MiB);
    await assert.rejects(makeStore(means(), { ...NEW, device: small }, signal), { code: "PARTITION_TOO_SMALL" });
    const device = await garbage("failing");
    const failing: Run = async () => await Promise.reject(new Error("no such program"));
    await assert.rejects(makeStore({ ...means(), run: failing }, { ...NEW, device }, signal), /no such program/);
    await using file = await open(device);
    const { buffer } = await file.read(new Uint8Array(MiB), 0, MiB, 0);
    assert.ok(buffer.every((byte) => byte === 0x55));
  });
});

suite("a store that is looked at", () => {
  const mounted = (files: string) => async () => await Promise.resolve({ path: files, [Symbol.asyncDispose]: async () => {} });
  const failing = (errno: number) => async () => await Promise.reject(errnoError("it cannot be mounted", errno));

  test("is lost when the kernel finds no sense in what it reads, and so says its superblock", async () => {
    const device = await garbage("none");
    for (const errno of [ERRNO.EINVAL, ERRNO.EUCLEAN, ERRNO.EBADMSG]) {
      const why = "it holds no file system";
      assert.deepEqual(await lookAtStore(device, NAMES, "/any", failing(errno)), [why, why]);
    }
    await makeStore(means(), { ...NEW, device }, signal);
    const why = "its file system is damaged";
    assert.deepEqual(await lookAtStore(device, NAMES, "/any", failing(ERRNO.EUCLEAN)), [why, why]);
  });

  for (const [name, errno] of [
    ["the disk has an error", ERRNO.EIO],
    ["it is mounted elsewhere", 16],
    ["there is no memory for it", 12],
    ["it is not allowed", 1],
    ["there is no such device", ERRNO.ENOENT],
  ] as const) {
    test(`is not known to be lost when ${name}, whatever is on it`, async () => {
      await assert.rejects(lookAtStore(await garbage("unknown"), NAMES, "/any", failing(errno)), { errno: -errno });
    });
  }

  test("is not known to be lost when it cannot be read, whatever the kernel says", async () => {
    await assert.rejects(lookAtStore(join(folder, "nothing"), NAMES, "/any", failing(ERRNO.EUCLEAN)), { code: "ENOENT" });
    // It goes away, as disks do, between the one and the other.
    const device = await garbage("going");
    const going = async () => {
      await truncate(device, MiB);
      return await failing(ERRNO.EUCLEAN)();
    };
    await assert.rejects(lookAtStore(device, NAMES, "/any", going), /the partition ends before byte/);
  });

  test("is not lost when newer software has made it", async () => {
    const device = join(folder, "newer");
    await writeFile(device, "");
    await truncate(device, SIZE);
    const argv = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "metadata_csum,metadata_csum_seed", device] as const;
    await tools.run([...argv], { binds: [{ source: device, writable: true }] });
    assert.equal(await superblockOf(device), "newer");
    await assert.rejects(lookAtStore(device, NAMES, "/any", failing(ERRNO.EINVAL)), { code: "STORE_NEWER" });
  });

  test("says of each file why it cannot hold an image", async (t) => {
    const device = await garbage("files");
    const files = await mkdtemp(join(folder, "mounted-"));
    const capacity = storeCapacity(SIZE);
    await writeFile(join(files, "whole"), new Uint8Array(capacity));
    {
      await using file = await open(join(files, "whole"));
      await file.sync();
    }
    await writeFile(join(files, "short"), new Uint8Array(4096));
    await writeFile(join(files, "holes"), "");
    await truncate(join(files, "holes"), capacity);
    await mkdir(join(files, "folder"));
    const names = ["whole", "short", "holes", "missing"];
    const found = await lookAtStore(device, names, "/any", mounted(files)).catch((error: { code?: string }) => {
      if (error.code !== "FILE_PLACE_UNKNOWN") throw error;
      return undefined;
    });
    if (!found) return t.skip("this file system does not say where a file is");
    assert.deepEqual(found, [
      undefined,
      `short has 4096 bytes, not ${capacity}`,
      "holes has bytes without a place on the disk",
      "missing is missing",
    ]);
  });
});

suite("a superblock", () => {
  test("of which any bit has changed is damaged, or none", async () => {
    const device = await garbage("flips");
    await makeStore(means(), { ...NEW, device }, signal);
    await using file = await open(device);
    const { buffer } = await file.read(new Uint8Array(EXT4_SUPERBLOCK_END), 0, EXT4_SUPERBLOCK_END, 0);
    assert.equal(storeSuperblock(buffer), "whole");
    for (let bit = 1024 * 8; bit < EXT4_SUPERBLOCK_END * 8; bit++) {
      buffer[bit >> 3]! ^= 1 << (bit & 7);
      assert.match(storeSuperblock(buffer), /^(none|damaged)$/, `bit ${bit}`);
      buffer[bit >> 3]! ^= 1 << (bit & 7);
    }
    assert.equal(storeSuperblock(new Uint8Array(EXT4_SUPERBLOCK_END)), "none");
    assert.equal(storeSuperblock(buffer.subarray(0, 1500)), "none");
  });
});
