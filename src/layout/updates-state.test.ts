import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeNumbered } from "./numbered-text.ts";
import { decodeUpdatesState, EMPTY_UPDATES, encodeUpdatesState, type LeftRelease, type UpdatesState } from "./updates-state.ts";

const left = (image: string, reason = "web: Größe ≠ 3"): LeftRelease => ({
  operation: "00c0ffee",
  image,
  version: "1.2.0",
  created: 5,
  at: 7,
  reason,
});
const state: UpdatesState = {
  ...{ lookedAt: 1_800_000_000, chance: 0.25, left: [left("ab"), { ...left("cd"), again: true }], took: 95, lock: "unsure" },
  release: { image: "ef", version: "1.3.0", created: 9, security: true, reference: "registry.example/edge@sha256:00" },
  failure: { image: "ef", count: 2, at: 11, reason: "the line is down" },
  paused: { at: 1, until: 2, by: "ops", reason: "fair" },
};

test("what is encoded is read back, at a fixed size", () => {
  const bytes = encodeUpdatesState(state, 7);
  assert.equal(bytes.length, 32 * 1024);
  assert.deepEqual(decodeUpdatesState(bytes), { is: "whole", sequence: 7, value: state });
});

test("with more than there is room for the oldest releases that were left are forgotten, and the newest kept", () => {
  const many = Array.from({ length: 30 }, (_, index) => left(String(index), "\u0001é".repeat(200)));
  const found = decodeUpdatesState(encodeUpdatesState({ ...state, left: many }, 1));
  assert.ok(found.is === "whole");
  assert.equal(found.value.left.at(-1)!.image, "29");
  assert.ok(found.value.left.length > 5 && found.value.left.length <= 16, `${found.value.left.length}`);
});

test("a state of a later format is known as one, and is not read", () => {
  const text = Buffer.from(encodeNumbered({ name: "petrify-updates", format: 2, size: 32 * 1024 }, 4, "{}")!);
  assert.deepEqual(decodeUpdatesState(text), { is: "newer", sequence: 4 });
});

test("what an older state does not say is as on a new machine", () => {
  const found = decodeUpdatesState(encodeNumbered({ name: "petrify-updates", format: 1, size: 32 * 1024 }, 4, "{}")!);
  assert.deepEqual(found, { is: "whole", sequence: 4, value: EMPTY_UPDATES });
});

test("whatever bytes are damaged, nothing is read that was not written", () => {
  const bytes = encodeUpdatesState(state, 3);
  const length = JSON.stringify(state).length;
  fc.assert(
    fc.property(fc.nat(length), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at]! ^= change;
      assert.notEqual(decodeUpdatesState(damaged).is, "whole");
    }),
  );
});
