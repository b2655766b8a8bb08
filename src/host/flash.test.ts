import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { flashPlan, type FlashPhase } from "../layout/flash-plan.ts";
import { decodeGpt, encodeGpt, PARTITION_TYPES } from "../layout/gpt.ts";
import type { Guid } from "../layout/guid.ts";
import { flash, type FlashSource } from "./flash.ts";

const SIZE = 8 * MiB;
const guid = (n: number): Guid => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

/** A disk with tables for both sector sizes, data, and a partition's worth of zeros. */
function diskImage(size: Bytes, seed: number): Uint8Array {
  const image = new Uint8Array(size);
  const part = {
    number: 1,
    name: `system ${seed}`,
    type: PARTITION_TYPES.linux,
    guid: guid(seed + 1),
    start: MiB,
    size: size - 2 * MiB,
  };
  for (const { offset, data } of encodeGpt({ diskGuid: guid(seed), size, partitions: [part] }, "both")) image.set(data, offset);
  image.fill(0xfa, 0, 440);
  for (let at = MiB; at < 3 * MiB; at++) image[at] = (at * 31 + seed) % 251;
  image.fill(0x77, 5 * MiB + 100, 5 * MiB + 200);
  return image;
}

type Change = { readonly at: Bytes; readonly bytes: Uint8Array };
interface Fake {
  readonly bytes: Uint8Array;
  /** What was written between two flushes, in order. */
  readonly epochs: Change[][];
}

/** A disk in memory that remembers its writes. `fail` may throw before one, `place` may put it elsewhere. */
function fakeDevice(
  bytes: Uint8Array,
  { fail = () => {}, place = (at) => at }: { fail?: (at: Bytes) => void; place?: (at: Bytes) => Bytes | undefined } = {},
) {
  const epochs: Change[][] = [[]];
  const put = (offset: Bytes, data: Uint8Array): void => {
    fail(offset);
    for (let done = 0; done < data.length; done += 4096) {
      const at = place(offset + done);
      const piece = data.slice(done, done + 4096);
      if (at === undefined) continue;
      bytes.set(piece, at);
      epochs.at(-1)!.push({ at, bytes: piece });
    }
  };
  return {
    bytes,
    epochs,
    size: bytes.length,
    write: async (at: Bytes, data: Uint8Array) => put(at, data),
    zero: async (at: Bytes, length: Bytes) => put(at, new Uint8Array(length)),
    flush: async () => void epochs.push([]),
    read: async (at: Bytes, length: Bytes) => {
      const piece = new Uint8Array(length);
      for (let done = 0; done < length; done += 4096) {
        const from = place(at + done) ?? at + done;
        piece.set(bytes.subarray(from, from + Math.min(4096, length - done)), done);
      }
      return piece;
    },
  };
}

const sourceOf = (image: Uint8Array): FlashSource => ({
  path: "disk.raw",
  read: async (at, n) => image.subarray(at, at + n),
});

async function write(
  image: Uint8Array,
  device: ReturnType<typeof fakeDevice>,
  {
    signal = new AbortController().signal,
    progress = () => {},
    inMemory,
  }: { signal?: AbortSignal; progress?: (phase: FlashPhase, done: Bytes, total: Bytes) => void; inMemory?: true } = {},
): Promise<Fake> {
  await flash({
    source: { ...sourceOf(image), ...(inMemory ? { inMemory } : {}) },
    path: "/dev/x",
    device,
    plan: flashPlan(image.length, device.size, 512),
    signal,
    progress,
  });
  return device;
}

/** Name of the first partition that firmware, for one of the sector sizes, would find. */
function bootable(disk: Uint8Array): string | undefined {
  for (const sectorSize of [512, 4096] as const) {
    try {
      return decodeGpt((at, length) => disk.subarray(at, at + length), disk.length, sectorSize).partitions[0]!.name;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return disk[510] === 0x55 && disk[511] === 0xaa ? "boot sector" : undefined;
}

for (const more of [0, 512, 3 * MiB]) {
  test(`whatever was on a disk of ${SIZE + more} bytes, the image's bytes are there, the end of the disk has no table`, async () => {
    const image = diskImage(SIZE, 7);
    const { bytes } = await write(image, fakeDevice(new Uint8Array(SIZE + more).fill(0xee)));
    assert.deepEqual(Buffer.compare(bytes.subarray(0, SIZE), image), 0);
    if (more === 3 * MiB) assert.ok(bytes.subarray(-MiB).every((byte) => byte === 0));
    assert.equal(bootable(bytes), "system 7");
    for (const sectorSize of [512, 4096] as const) {
      const table = decodeGpt((at, n) => bytes.subarray(at, at + n), Math.floor(bytes.length / 4096) * 4096, sectorSize);
      assert.deepEqual([table.damage, table.size], [undefined, SIZE], "the backup is at the image's end, where the primary says");
    }
  });
}

for (const more of [0, 3 * MiB]) {
  test(`power cut at any write, on a disk that is ${more} bytes larger: the old system whole, or nothing boots, or the new system whole`, async () => {
    const before = new Uint8Array(SIZE + more);
    before.set(diskImage(SIZE + more, 1));
    const image = diskImage(SIZE, 7);
    const { epochs } = await write(image, fakeDevice(before.slice()));
    const durable = before.slice();
    const judge = (disk: Uint8Array): string => {
      const found = bootable(disk);
      if (found === undefined) return "nothing";
      const old = Buffer.compare(disk.subarray(MiB, -MiB), before.subarray(MiB, -MiB)) === 0;
      const body = Buffer.compare(disk.subarray(MiB, SIZE - 4096), image.subarray(MiB, SIZE - 4096)) === 0;
      assert.ok((found !== "system 7" && old) || (found !== "system 1" && body), `${found} is found, and is not whole`);
      return found;
    };
    const seen = new Set<string>();
    let points = 0;
    for (const epoch of epochs) {
      // Of what was not flushed any part may be there: each write alone, and all but each.
      const working = epoch.length > 40 ? epoch.filter((_, index) => index % Math.ceil(epoch.length / 40) === 0) : epoch;
      for (const one of working) {
        const alone = durable.slice();
        alone.set(one.bytes, one.at);
        seen.add(judge(alone));
        const without = durable.slice();
        for (const other of epoch) if (other !== one) without.set(other.bytes, other.at);
        seen.add(judge(without));
        points += 2;
      }
      for (const { at, bytes } of epoch) durable.set(bytes, at);
      seen.add(judge(durable));
    }
    assert.ok(points > 100, `${points} points`);
    assert.deepEqual([...seen].toSorted(), ["nothing", "system 1", "system 7"]);
  });
}

test("interrupted in the middle, nothing boots; repeated, it is whole", async () => {
  const image = diskImage(SIZE, 7);
  for (const phase of ["writing", "reading back"] as const) {
    const device = fakeDevice(diskImage(SIZE, 1));
    const stop = new AbortController();
    const end = {
      signal: stop.signal,
      progress: (now: FlashPhase, done: Bytes) => void (now === phase && done >= 2 * MiB && stop.abort(new Error("stop"))),
    };
    await assert.rejects(write(image, device, end), /^Error: stop$/);
    assert.equal(bootable(device.bytes), undefined);
    await write(image, device);
    assert.deepEqual(Buffer.compare(device.bytes, image), 0);
  }
});

test("progress goes from nothing to all, phase after phase", async () => {
  const told: [FlashPhase, Bytes, Bytes][] = [];
  await write(diskImage(SIZE, 7), fakeDevice(new Uint8Array(SIZE)), { progress: (...one) => void told.push(one) });
  const phases = [...new Set(told.map(([phase]) => phase))];
  assert.deepEqual(phases, ["writing", "reading back", "finishing"]);
  for (const phase of phases) {
    const own = told.filter(([name]) => name === phase);
    assert.ok(own.every(([, done], index) => index === 0 || done >= own[index - 1]![1]));
    assert.equal(own.at(-1)![1], own.at(-1)![2]);
  }
});

const failure = (code: string) => Object.assign(new Error(code), { code });
const FAILING: readonly (readonly [what: string, device: Parameters<typeof fakeDevice>[1], code: string, says: RegExp])[] = [
  [
    "a sector that cannot be written",
    {
      fail: (at) => {
        if (at >= 2 * MiB && at < 3 * MiB) throw failure("EIO");
      },
    },
    "FLASH_WRITE_FAILED",
    /written at 2 MiB \(byte 2097152\): EIO.*failing/,
  ],
  [
    "a disk without room",
    {
      fail: (at) => {
        if (at >= 2 * MiB && at < 3 * MiB) throw failure("ENOSPC");
      },
    },
    "FLASH_WRITE_FAILED",
    /ENOSPC.*no room/,
  ],
  [
    "a disk that forgets",
    { place: (at) => (at >= 2 * MiB && at < 3 * MiB ? undefined : at) },
    "FLASH_DIFFERS",
    /at 2 MiB.*another one/,
  ],
  [
    "a disk that does not make zeros of what it has",
    { place: (at) => (at >= 3 * MiB && at < 4 * MiB ? undefined : at) },
    "FLASH_DIFFERS",
    /at 3 MiB.*another one/,
  ],
  ["a disk that is smaller than it says", { place: (at) => at % (2 * MiB) }, "FLASH_DIFFERS", /smaller than it says/],
];
for (const [what, options, code, says] of FAILING)
  for (const inMemory of [undefined, true] as const) {
    test(`${what} is found, its place named, and nothing boots${inMemory ? ", of an image in memory" : ""}`, async () => {
      const before = what.includes("zeros") ? new Uint8Array(SIZE).fill(0xee) : diskImage(SIZE, 1);
      const device = fakeDevice(what.includes("smaller") ? new Uint8Array(SIZE) : before, options);
      await assert.rejects(write(diskImage(SIZE, 7), device, inMemory ? { inMemory } : {}), (error) => {
        assert.ok(error instanceof AppError);
        assert.equal(error.code, code);
        assert.match(`${error.message} ${error.hint}`, says);
        return true;
      });
      assert.equal(bootable(device.bytes), undefined);
    });
  }

test("an image that becomes shorter, or cannot be read, is said of the image", async () => {
  const image = diskImage(SIZE, 7);
  const attempt = async (read: (at: Bytes, n: Bytes) => Promise<Uint8Array>): Promise<void> => {
    const device = fakeDevice(new Uint8Array(SIZE));
    const plan = flashPlan(SIZE, SIZE, 512);
    const input = { path: "/dev/x", device, plan, signal: new AbortController().signal, progress: () => {} };
    await flash({ source: { path: "disk.raw", read }, ...input });
  };
  await assert.rejects(
    attempt(async (at, n) => image.subarray(at, Math.min(at + n, 4 * MiB))),
    /disk\.raw has become shorter than 5 MiB/,
  );
  const broken = async (): Promise<never> => await Promise.reject(failure("EIO"));
  await assert.rejects(attempt(broken), /disk\.raw cannot be read at 1 MiB.*EIO/);
});
