import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  beginTrial,
  confirmTrial,
  decodeConfigSlots,
  encodeConfigSlots,
  endTrial,
  foundSlots,
  generationOf,
  generationsInUse,
  keepGeneration,
  NO_SLOTS,
  planLaying,
  refuseTrial,
  type ConfigSlots,
  type ConfigTrial,
  type FoundSlots,
} from "./generations.ts";
import { encodeNumbered } from "./numbered-text.ts";

const TRIAL: ConfigTrial = { id: "0123abcd", generation: 13, how: "boot" };
const LIVE: ConfigTrial = { ...TRIAL, how: "live", until: 1_900_000_000 };
const SLOTS: ConfigSlots = { slots: { a: { generation: 12, before: 9 }, b: { generation: 7 }, recovery: { generation: 12 } } };
const whole = (slots: ConfigSlots): FoundSlots => ({ is: "whole", slots });
const NONE = { folders: [], tried: undefined };
const numbers = (found: FoundSlots, target: "a" | "b" | "recovery", id?: string): number[] =>
  planLaying(found, target, { folders: [], tried: id }).candidates.map(({ generation }) => generation);

test("what slots boot with is read back, from a copy of one size", () => {
  for (const slots of [NO_SLOTS, SLOTS, beginTrial(SLOTS, "a", TRIAL), beginTrial(SLOTS, "b", LIVE)]) {
    const bytes = encodeConfigSlots(slots, 3);
    assert.equal(bytes.length, 8192);
    assert.deepEqual(decodeConfigSlots(bytes), { is: "whole", sequence: 3, value: slots });
  }
});

test("no flipped byte and no cut passes for a copy", () => {
  const bytes = encodeConfigSlots(beginTrial(SLOTS, "a", TRIAL), 3);
  const end = bytes.lastIndexOf(10) + 1;
  for (let at = 0; at < end; at++) {
    const flipped = bytes.slice();
    flipped[at]! ^= 0x04;
    assert.equal(decodeConfigSlots(flipped).is, "unreadable", `byte ${at}`);
    assert.equal(decodeConfigSlots(bytes.slice(0, at)).is, "unreadable", `cut at ${at}`);
  }
});

const copy = (text: string, sequence = 1, format = 1): Uint8Array =>
  encodeNumbered({ name: "petrify-generations", format, size: 8192 }, sequence, text)!;

for (const text of [
  "[]",
  "{}",
  '{"slots":{"a":1}}',
  '{"slots":{"a":{"generation":0}}}',
  '{"slots":{"a":{"generation":1.5}}}',
  '{"slots":{"a":{"before":"1"}}}',
  '{"slots":{"a":{"trial":{"id":"x","generation":1,"how":"boot"}}}}',
  '{"slots":{"a":{"trial":{"id":"00000000","generation":1,"how":"later"}}}}',
]) {
  test(`whole, but nothing that slots boot with: ${text}`, () => assert.equal(decodeConfigSlots(copy(text)).is, "unreadable"));
}

test("whatever bytes there are, decoding ends with an answer", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void decodeConfigSlots(bytes)));
  fc.assert(fc.property(fc.json(), (json) => void decodeConfigSlots(copy(json.replaceAll(/[^ -~]/g, "?")))));
});

test("of two copies the newest whole one counts, a newer format stops everything, and two damaged ones are not none", () => {
  const [old, now] = [encodeConfigSlots(NO_SLOTS, 4), encodeConfigSlots(SLOTS, 5)];
  assert.deepEqual(foundSlots([old, now]), whole(SLOTS));
  assert.deepEqual(foundSlots([now, old]), whole(SLOTS));
  assert.deepEqual(foundSlots([old, now.slice(0, 50)]), whole(NO_SLOTS));
  assert.deepEqual(foundSlots([undefined, undefined]), { is: "none" });
  assert.deepEqual(foundSlots([new Uint8Array(), undefined]), { is: "damaged" });
  assert.deepEqual(foundSlots([now, copy("anything", 6, 2)]), { is: "newer" });
});

test("a slot boots with its own, else with the one before, and a slot without any with the other's", () => {
  assert.deepEqual(numbers(whole(SLOTS), "a"), [12, 9]);
  assert.deepEqual(planLaying(whole(SLOTS), "a", NONE), { candidates: [{ generation: 12 }, { generation: 9 }], notes: [] });
  const onlyB: ConfigSlots = { slots: { b: { generation: 7 } } };
  assert.deepEqual(planLaying(whole(onlyB), "a", NONE), {
    candidates: [{ generation: 7 }],
    ...{ notes: [], wanted: "there is none of this slot" },
  });
  assert.deepEqual(planLaying(whole(onlyB), "recovery", NONE), { candidates: [{ generation: 7 }], notes: [] });
});

test("without any, one is wanted, but not by recovery", () => {
  assert.deepEqual(planLaying({ is: "none" }, "a", NONE), { candidates: [], notes: [], wanted: "there is none" });
  assert.deepEqual(planLaying({ is: "none" }, "recovery", NONE), { candidates: [], notes: [] });
});

test("where newer software has written, nothing is laid and nothing is wanted: that would be a write", () => {
  const plan = planLaying({ is: "newer" }, "a", { folders: [1], tried: undefined });
  assert.deepEqual([plan.candidates, plan.wanted], [[], undefined]);
  assert.match(plan.notes.join(), /newer software: it is left alone/);
});

test("where nothing tells which, the newest that can be read is used, and it is said", () => {
  const plan = planLaying({ is: "damaged" }, "a", { folders: [2, 11, 9, 10], tried: undefined });
  assert.deepEqual(
    plan.candidates.map(({ generation }) => generation),
    [11, 10, 9],
  );
  assert.match(plan.notes.join(), /both copies of that are damaged/);
  assert.equal(plan.wanted, "damaged");
});

test("a config on trial is laid by the boots that the loader gives to it; a live one by none", () => {
  const tried = whole(beginTrial(SLOTS, "a", TRIAL));
  const plan = planLaying(tried, "a", { folders: [], tried: TRIAL.id });
  assert.deepEqual(plan.candidates[0], { generation: 13, trial: TRIAL.id });
  assert.deepEqual(numbers(tried, "a", TRIAL.id), [13, 12, 9]);
  const first = planLaying(whole(beginTrial(NO_SLOTS, "a", TRIAL)), "a", { folders: [], tried: TRIAL.id });
  assert.equal(first.wanted, undefined, "a first config that is tried is one");
  assert.deepEqual(numbers(tried, "a"), [12, 9]);
  assert.deepEqual(numbers(tried, "a", "ffffffff"), [12, 9], "another trial is not this one");
  assert.deepEqual(numbers(whole(beginTrial(SLOTS, "a", LIVE)), "a", LIVE.id), [12, 9]);
  assert.deepEqual(numbers(tried, "b", TRIAL.id), [7]);
});

test("a trial that is given back leaves what the slot had, and why, until another is kept or tried", () => {
  const tried = beginTrial(SLOTS, "a", TRIAL);
  const why = { trial: TRIAL.id, at: 1_900_000_000, reason: "not\nhealthy" };
  const refused = refuseTrial(tried, "a", why);
  assert.deepEqual(refused.slots.a, {
    ...{ generation: 12, before: 9 },
    refused: { generation: 13, at: 1_900_000_000, reason: "not healthy" },
  });
  assert.deepEqual(decodeConfigSlots(encodeConfigSlots(refused, 1)), { is: "whole", sequence: 1, value: refused });
  assert.equal(refuseTrial(tried, "a", { ...why, trial: "ffffffff" }), tried);
  assert.equal(refuseTrial(tried, "b", why), tried);
  for (const next of [keepGeneration(refused, "a", 12), beginTrial(refused, "a", TRIAL)])
    assert.equal(next.slots.a?.refused, undefined);
});

test("a trial that is confirmed is the slot's from then on; one that is not leaves everything as it was", () => {
  const tried = beginTrial(SLOTS, "a", TRIAL);
  assert.deepEqual(confirmTrial(tried, "a").slots.a, { generation: 13, before: 12 });
  assert.deepEqual(endTrial(tried, "a"), SLOTS);
  assert.deepEqual(confirmTrial(SLOTS, "a"), SLOTS);
  assert.deepEqual(endTrial(SLOTS, "a"), SLOTS);
  assert.deepEqual(keepGeneration(tried, "b", 13).slots.a, tried.slots.a, "another slot's trial goes on");
});

test("a slot that is given the same one again remembers the one before", () => {
  assert.deepEqual(keepGeneration(SLOTS, "a", 12).slots.a, { generation: 12, before: 9 });
  assert.deepEqual(keepGeneration(NO_SLOTS, "a", 1).slots.a, { generation: 1 });
});

test("whatever a slot, or a trial, refers to is in use", () => {
  assert.deepEqual(generationsInUse(beginTrial(SLOTS, "b", LIVE)), new Set([12, 9, 7, 13]));
});

test("only a number is a generation's name", () => {
  assert.deepEqual(["1", "12", "0", "01", "1.new", "", "slots-1", "1234567890"].map(generationOf), [
    ...[1, 12, undefined, undefined, undefined, undefined, undefined, undefined],
  ]);
});
