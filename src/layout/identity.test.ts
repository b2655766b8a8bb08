import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeCheckedText } from "./checked-text.ts";
import { decodeIdentity, encodeIdentity, IDENTITY_OFFSETS, IDENTITY_SIZE } from "./identity.ts";
import { LAST_WORDS_OFFSET, LAST_WORDS_SIZE, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS } from "./record.ts";
import { KERNEL_ARGS, KERNEL_ARGS_BLOCK_SIZE } from "./kernel-args.ts";
import { INSTALL_MARK_OFFSET } from "./install-mark.ts";
import { SEED_OFFSET, SEED_SIZE } from "./random-seed.ts";
import { RESET_ORDER_OFFSET, RESET_ORDER_SIZE } from "./reset-order.ts";
import { CLOCK_OFFSET, CLOCK_SIZE, decodeStoredClock, encodeStoredClock } from "./stored-clock.ts";

const identity = { machineId: "0123456789abcdef0123456789abcdef" };

test("an identity is read back", () => {
  const block = encodeIdentity(identity);
  assert.equal(block.length, IDENTITY_SIZE);
  assert.deepEqual(decodeIdentity(block), identity);
});

test("an identity that newer software wrote is still the machine's", () => {
  const text = `machine-id: ${identity.machineId}\nmore: x\n`;
  assert.deepEqual(decodeIdentity(encodeCheckedText("petrify-identity 2", text)), identity);
});

test("no flipped byte and no cut passes for an identity", () => {
  const block = encodeIdentity(identity);
  const length = block.indexOf(0);
  for (let at = 0; at < length; at++) {
    const damaged = block.slice();
    damaged[at]! ^= 0x40;
    assert.equal(decodeIdentity(damaged), undefined, `byte ${at}`);
    assert.equal(decodeIdentity(block.slice(0, at)), undefined, `cut at ${at}`);
  }
  assert.equal(decodeIdentity(new Uint8Array(IDENTITY_SIZE)), undefined);
});

test("nothing in the record partition overlaps", () => {
  const areas = [
    ...RECORD_COPY_OFFSETS.map((start) => [start, RECORD_BLOCK_SIZE] as const),
    ...IDENTITY_OFFSETS.map((start) => [start, IDENTITY_SIZE] as const),
    [CLOCK_OFFSET, CLOCK_SIZE] as const,
    [SEED_OFFSET, SEED_SIZE] as const,
    [INSTALL_MARK_OFFSET, 4096] as const,
    ...KERNEL_ARGS.offsets.map((start) => [start, KERNEL_ARGS_BLOCK_SIZE] as const),
    [RESET_ORDER_OFFSET, RESET_ORDER_SIZE] as const,
    [LAST_WORDS_OFFSET, LAST_WORDS_SIZE] as const,
  ].toSorted(([a], [b]) => a - b);
  for (const [index, [start]] of areas.entries()) {
    const before = areas[index - 1];
    assert.ok(!before || before[0] + before[1] <= start, `${start}`);
  }
  assert.ok(areas.at(-1)![0] + areas.at(-1)![1] <= 1024 * 1024);
});

test("a stored time is read back, and no flipped byte passes for one", () => {
  const block = encodeStoredClock(1_900_000_000);
  assert.equal(block.length, CLOCK_SIZE);
  assert.equal(decodeStoredClock(block), 1_900_000_000);
  for (let at = 0; at < block.indexOf(0); at++) {
    const damaged = block.slice();
    damaged[at]! ^= 0x10;
    assert.equal(decodeStoredClock(damaged), undefined, `byte ${at}`);
  }
});
