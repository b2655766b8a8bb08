import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { encodeCheckedText } from "./checked-text.ts";
import {
  AFTER_RESET,
  decodeResetOrder,
  encodeResetOrder,
  isResetPending,
  noResetOrder,
  RESET_KEEPS,
  RESET_KINDS,
  RESET_ORDER_OFFSET,
  RESET_ORDER_SIZE,
  RESET_STAGES,
  type ResetOrder,
} from "./reset-order.ts";
import { BOOT_TARGETS } from "./slots.ts";
import { CLOCK_OFFSET, CLOCK_SIZE } from "./stored-clock.ts";
import { INSTALL_MARK_OFFSET, INSTALL_MARK_SIZE } from "./install-mark.ts";
import { IDENTITY_OFFSETS, IDENTITY_SIZE } from "./identity.ts";
import { SEED_OFFSET, SEED_SIZE } from "./random-seed.ts";
import { LAST_WORDS_OFFSET, LAST_WORDS_SIZE, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS } from "./record.ts";

const ORDER: ResetOrder = {
  ...{
    id: "0badcafe",
    kind: "reset",
    at: "ordered",
    keep: ["identity"],
    erase: false,
    after: "reboot",
    cause: "asked for by root",
  },
  ...{ askedAt: 1_795_000_000, attempts: 0, from: { slot: "a", version: "1.2.0" } },
};
const word = fc.string({ maxLength: 300 });
const orders: fc.Arbitrary<ResetOrder> = fc.record(
  {
    id: fc.constantFrom("0badcafe", "00000000"),
    kind: fc.constantFrom(...RESET_KINDS),
    at: fc.constantFrom(...RESET_STAGES),
    keep: fc.subarray([...RESET_KEEPS]),
    erase: fc.boolean(),
    after: fc.constantFrom(...AFTER_RESET),
    cause: word,
    askedAt: fc.nat(),
    from: fc.record({ slot: fc.constantFrom(...BOOT_TARGETS), version: word }),
    attempts: fc.nat(),
    endedAt: fc.nat(),
    reason: word,
  },
  { requiredKeys: ["id", "kind", "at", "keep", "erase", "after", "cause", "askedAt", "from", "attempts"] },
);

suite("the order to reset", () => {
  test("is read as it was written", () => {
    assert.deepEqual(decodeResetOrder(encodeResetOrder(ORDER)), { is: "order", order: ORDER });
  });

  test("lies in one sector whatever its texts are, and comes back but for their ends", () => {
    fc.assert(
      fc.property(orders, (order) => {
        const block = encodeResetOrder(order);
        assert.equal(block.length, RESET_ORDER_SIZE);
        assert.ok(block.subarray(512).every((byte) => byte === 0));
        const found = decodeResetOrder(block);
        assert.ok(found.is === "order");
        const { cause, from, reason, ...rest } = found.order;
        const { cause: wanted, from: start, reason: why, ...others } = order;
        assert.deepEqual(rest, others);
        assert.equal(from.slot, start.slot);
        assert.ok(cause.length <= wanted.length && (reason ?? "").length <= (why ?? "").length);
      }),
    );
  });

  test("is none where a bit of it has flipped, or nothing was written", () => {
    const block = encodeResetOrder(ORDER);
    const used = block.findLastIndex((byte) => byte !== 0) + 1;
    for (let bit = 0; bit < used * 8; bit++) {
      const torn = block.slice();
      torn[bit >> 3]! ^= 1 << (bit & 7);
      assert.notDeepEqual(decodeResetOrder(torn).is, "newer", `bit ${bit}`);
      if (decodeResetOrder(torn).is === "order") assert.deepEqual(decodeResetOrder(torn), decodeResetOrder(block)); // case of a checksum's digit
    }
    assert.deepEqual(decodeResetOrder(noResetOrder()), { is: "none" });
  });

  test("is none whatever bytes are there", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => decodeResetOrder(bytes).is === "none"));
    fc.assert(
      fc.property(fc.anything(), (value) => {
        const text = `1 ${JSON.stringify(value)}`.replaceAll(/[^\u0020-\u007e]/g, "?").slice(0, 4000);
        return decodeResetOrder(encodeCheckedText("petrify-reset 1", text)).is === "none";
      }),
    );
  });

  test("of newer software is known to be that", () => {
    assert.deepEqual(decodeResetOrder(encodeCheckedText("petrify-reset 2", "2 whatever\n")), { is: "newer" });
    assert.deepEqual(decodeResetOrder(encodeCheckedText("petrify-reset 2", "1 whatever\n")), { is: "none" });
  });

  test("has an unknown value: it is none", () => {
    for (const wrong of [
      { at: "x" },
      { kind: "x" },
      { keep: ["all"] },
      { erase: 1 },
      { after: "halt" },
      { id: "1" },
      { from: null },
      { attempts: -1 },
    ]) {
      const text = `1 ${JSON.stringify({ ...ORDER, ...wrong })}\n`;
      assert.deepEqual(decodeResetOrder(encodeCheckedText("petrify-reset 1", text)), { is: "none" }, JSON.stringify(wrong));
    }
  });

  test("waits for recovery until it has ended", () => {
    assert.deepEqual(
      RESET_STAGES.map((at) => isResetPending({ is: "order", order: { ...ORDER, at } })),
      [true, true, false],
    );
    assert.equal(isResetPending({ is: "newer" }), false);
  });

  test("has a place of its own in the record partition", () => {
    const places = [
      ...RECORD_COPY_OFFSETS.map((at) => [at, RECORD_BLOCK_SIZE]),
      ...IDENTITY_OFFSETS.map((at) => [at, IDENTITY_SIZE]),
      ...[
        [CLOCK_OFFSET, CLOCK_SIZE],
        [SEED_OFFSET, SEED_SIZE],
        [INSTALL_MARK_OFFSET, INSTALL_MARK_SIZE],
        [LAST_WORDS_OFFSET, LAST_WORDS_SIZE],
      ],
    ];
    for (const [at = 0, size = 0] of places) {
      assert.ok(at + size <= RESET_ORDER_OFFSET || at >= RESET_ORDER_OFFSET + RESET_ORDER_SIZE, `${at}`);
    }
  });
});
