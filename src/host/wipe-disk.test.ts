import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { MiB } from "../core/units.ts";
import { wipeQuickly, type QuickWipe } from "./wipe-disk.ts";

const SIZE = 100 * MiB;

/** A disk in memory, full of letters. @param flawed a byte that stays as it is */
function fakeDisk({ flawed, refuses }: { readonly flawed?: number; readonly refuses?: string } = {}) {
  const bytes = new Uint8Array(SIZE).fill(0x55);
  const done: string[] = [];
  const step = async (what: string): Promise<void> => {
    await Promise.resolve();
    done.push(what);
    if (what === refuses) throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
  };
  const wipe: QuickWipe = {
    ...{ path: "/dev/x", partitions: [{ start: 50 * MiB, size: 10 * MiB }], signal: new AbortController().signal },
    progress: () => {},
    discard: async () => {
      await step("discard");
      return true;
    },
    device: {
      size: SIZE,
      zero: async (at, length) => {
        await step(`zero ${at / MiB} ${length / MiB}`);
        bytes.fill(0, at, at + length);
        if (flawed !== undefined) bytes[flawed] = 0x55;
      },
      flush: async () => await step("flush"),
      read: async (at, length) => {
        await Promise.resolve();
        if (refuses === `read ${at / MiB}`) throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
        return bytes.subarray(at, at + length);
      },
    },
  };
  return { wipe, done, bytes };
}

suite("a disk that is wiped quickly", () => {
  test("does not boot from the first write on, is discarded, and its edges are zero after that", async () => {
    const { wipe, done, bytes } = fakeDisk();
    assert.deepEqual(await wipeQuickly(wipe), { zeroed: 16 * MiB, discarded: true });
    assert.deepEqual(done, [...["zero 0 1", "flush", "discard", "zero 0 4", "zero 50 4", "zero 56 4", "zero 96 4", "flush"]]);
    assert.equal(bytes[20 * MiB], 0x55);
  });

  for (const [what, flaw, code] of [
    ["does not keep what is written", { flawed: 57 * MiB }, "FLASH_DIFFERS"],
    ["cannot be written at its front", { refuses: "zero 0 1" }, "FLASH_WRITE_FAILED"],
    ["cannot be flushed", { refuses: "flush" }, "FLASH_WRITE_FAILED"],
    ["cannot be written elsewhere", { refuses: "zero 50 4" }, "FLASH_WRITE_FAILED"],
    ["cannot be read back", { refuses: "read 96" }, "FLASH_READ_FAILED"],
  ] as const) {
    test(`and ${what} is said to`, async () => {
      const { wipe } = fakeDisk(flaw);
      await assert.rejects(wipeQuickly(wipe), { code, message: /\/dev\/x/ });
    });
  }

  test("is left alone once that is not wanted any more", async () => {
    const { wipe, done } = fakeDisk();
    await assert.rejects(wipeQuickly({ ...wipe, signal: AbortSignal.abort(new Error("stopped")) }), /stopped/);
    assert.deepEqual(done, []);
  });
});
