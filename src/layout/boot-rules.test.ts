import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BOOT_RULES, bootFacts, decide, type BootSituation } from "./boot-rules.ts";
import { IMAGE_FILES } from "./disk.ts";
import { NO_KERNEL_ARGS, type ChosenKernelArgs, type StoredKernelArgs } from "./kernel-args.ts";
import type { BootRecord } from "./record.ts";
import { otherSlot, SLOT_STATES, type SlotState } from "./slots.ts";
import type { Tries } from "./tries.ts";

const whole = { a: true, b: true, recovery1: true, recovery2: true };
const of = (active: "a" | "b", a: SlotState, b: SlotState, recovery: 1 | 2 = 1): BootRecord => ({
  active,
  slots: { a: { state: a }, b: { state: b } },
  recovery,
});
const full: Tries = { a: 6, b: 3 };

/** `2a! 3b`: rule 2 tries a, in vain; rule 3 tries b, which boots. */
const rows: readonly [name: string, given: Partial<BootSituation>, does: string, tries?: Tries | undefined][] = [
  ["the active slot boots and loses a try", { record: of("a", "proven", "trial") }, "2a", { a: 5, b: 3 }],
  ["a slot on trial too", { record: of("b", "proven", "trial") }, "2b", { a: 6, b: 2 }],
  [
    "without tries it is the other one's turn",
    { record: of("b", "proven", "trial"), tries: { a: 6, b: 0 } },
    "3a",
    { a: 5, b: 0 },
  ],
  ["a damaged image falls back at once", { whole: { ...whole, a: false } }, "2a! 3b", { a: 5, b: 2 }],
  ["no slot is whole", { whole: { ...whole, a: false, b: false } }, "2a! 3b! 4recovery1", { a: 5, b: 2 }],
  ["no slot has tries", { tries: { a: 0, b: 0 } }, "4recovery1", { a: 0, b: 0 }],
  ["the current recovery file goes first", { record: of("a", "bad", "empty", 2) }, "4recovery2", full],
  [
    "the other recovery file goes next",
    { record: of("a", "bad", "empty", 2), whole: { ...whole, recovery2: false } },
    "4recovery2! 4recovery1",
    full,
  ],
  ["next boots once and takes no try", { tries: { ...full, next: "b" } }, "1b", full],
  ["next may be recovery", { tries: { ...full, next: "recovery" } }, "1recovery1", full],
  [
    "next that is damaged is not tried again",
    { record: of("b", "proven", "trial"), tries: { ...full, next: "b" }, whole: { ...whole, b: false } },
    "1b! 3a",
    { a: 5, b: 3 },
  ],
  [
    "next never boots a bad slot, and is cleared",
    { record: of("a", "proven", "bad"), tries: { a: 6, b: 0, next: "b" } },
    "2a",
    { a: 5, b: 0 },
  ],
  [
    "bad and empty slots never boot, whatever their tries",
    { record: of("a", "bad", "empty"), tries: { a: 6, b: 6 } },
    "4recovery1",
    { a: 6, b: 6 },
  ],
  ["an unsaved try does not boot what is on trial", { record: of("b", "proven", "trial"), saves: false }, "3a", full],
  ["an unsaved try boots what is proven", { saves: false }, "2a", full],
  ["next that cannot be cleared is not followed", { tries: { ...full, next: "b" }, saves: false }, "2a", { ...full, next: "b" }],
  ["unreadable tries: nothing on trial", { record: of("b", "proven", "trial"), tries: undefined }, "3a", undefined],
  ["unreadable tries: what is proven", { tries: undefined }, "2a", undefined],
  ["unreadable tries and nothing proven", { record: of("a", "trial", "empty"), tries: undefined }, "4recovery1", undefined],
  ["no record: a", { record: undefined }, "0a", { a: 5, b: 3 }],
  ["no record: b when a is damaged", { record: undefined, whole: { ...whole, a: false } }, "0a! 0b", { a: 5, b: 2 }],
  ["no record: b when a has no tries", { record: undefined, tries: { a: 0, b: 3 } }, "0b", { a: 0, b: 2 }],
  ["no record: recovery before slots without tries", { record: undefined, tries: { a: 0, b: 0 } }, "0recovery1", { a: 0, b: 0 }],
  [
    "no record: slots without tries at last",
    { record: undefined, tries: { a: 0, b: 0 }, whole: { ...whole, a: false, recovery1: false, recovery2: false } },
    "0recovery1! 0recovery2! 0a! 0b",
    { a: 0, b: 0 },
  ],
  [
    "no record, no tries: a, b, recovery",
    { record: undefined, tries: undefined, whole: { ...whole, a: false, b: false } },
    "0a! 0b! 0recovery1",
    undefined,
  ],
  ["no record and nothing can be saved", { record: undefined, saves: false }, "0a", full],
  ["no record: next is not followed", { record: undefined, tries: { ...full, next: "b" } }, "0a", { a: 5, b: 3, next: "b" }],
  [
    "a proven slot without tries is the last resort",
    { tries: { a: 0, b: 0 }, whole: { ...whole, recovery1: false, recovery2: false } },
    "4recovery1! 4recovery2! 5a",
    { a: 0, b: 0 },
  ],
  [
    "a slot on trial without tries is not",
    { record: of("a", "trial", "empty"), tries: { a: 0, b: 0 }, whole: { ...whole, recovery1: false, recovery2: false } },
    "4recovery1! 4recovery2!",
    { a: 0, b: 0 },
  ],
  [
    "nothing is whole",
    { whole: { a: false, b: false, recovery1: false, recovery2: false } },
    "2a! 3b! 4recovery1! 4recovery2!",
    { a: 5, b: 2 },
  ],
];
for (const [name, given, does, tries] of rows) {
  test(`decide(): ${name}`, () => {
    const {
      attempts,
      boots,
      tries: after,
    } = decide({ record: of("a", "proven", "proven"), tries: full, whole, saves: true, ...given });
    const last = attempts.length - 1;
    const said = attempts.map(({ rule, image }, i) => `${rule}${image}${i < last || boots !== image ? "!" : ""}`).join(" ");
    assert.equal(said, does);
    assert.deepEqual(after, tries);
  });
}

const trial = { id: "0123abcd", slot: "a", append: ["new"], remove: ["quiet"] } as const;
const args: StoredKernelArgs = {
  slots: { a: { append: ["old"], remove: [] }, b: { append: ["other"], remove: [] } },
  trial,
};
const tried = { append: ["new"], remove: ["quiet"], trial: trial.id };
const withTries: Tries = { ...full, args: 3 };
const argsRows: readonly [name: string, given: Partial<BootSituation>, wanted: ChosenKernelArgs, left: number | undefined][] = [
  ["those on trial, at the cost of a try", {}, tried, 2],
  ["the last try", { tries: { ...full, args: 1 } }, tried, undefined],
  ["what is kept, where none has tries", { tries: full }, args.slots.a, undefined],
  ["what is kept, where a try cannot be stored", { saves: false }, args.slots.a, 3],
  ["what is kept, on a slot that is on trial itself", { record: of("a", "trial", "proven") }, args.slots.a, 3],
  ["what is kept, without a record", { record: undefined }, args.slots.a, 3],
  ["what is kept, with unreadable tries", { tries: undefined }, args.slots.a, undefined],
  ["the other slot has its own", { record: of("b", "proven", "proven") }, args.slots.b, 3],
  ["the other slot has its own, where it is booted instead", { whole: { ...whole, a: false } }, args.slots.b, 3],
  ["a slot that is asked for once tries them, too", { tries: { ...withTries, next: "a" } }, tried, 2],
  ["recovery has none", { tries: { ...withTries, next: "recovery" } }, NO_KERNEL_ARGS, 3],
  ["a disk that knows of none", { args: undefined }, NO_KERNEL_ARGS, 3],
];
for (const [name, given, wanted, left] of argsRows) {
  test(`kernel arguments: ${name}`, () => {
    const decision = decide({ record: of("a", "proven", "proven"), tries: withTries, args, whole, saves: true, ...given });
    assert.deepEqual(decision.args, wanted);
    assert.equal(decision.tries?.args, left);
  });
}

test("kernel arguments that never come up are tried three times; then the slot boots with what it had, and has tries left", () => {
  let tries: Tries = { a: 6, b: 6, args: 3 };
  const boots = Array.from({ length: 4 }, () => {
    const decision = decide({ record: of("a", "proven", "proven"), tries, args, whole, saves: true });
    tries = decision.tries!;
    return [decision.boots, decision.args.trial];
  });
  assert.deepEqual(boots, [...Array.from({ length: 3 }, () => ["a", trial.id]), ["a", undefined]]);
  assert.deepEqual(tries, { a: 2, b: 6 });
});

const count = fc.integer({ min: 0, max: 6 });
const state = fc.constantFrom(...SLOT_STATES);
const anyRecord = fc
  .tuple(fc.constantFrom("a" as const, "b" as const), state, state, fc.constantFrom(1 as const, 2 as const))
  .map((fields) => of(...fields));
const anyTries: fc.Arbitrary<Tries> = fc.record(
  { a: count, b: count, next: fc.constantFrom("a", "b", "recovery") },
  { requiredKeys: ["a", "b"] },
);
const anySituation: fc.Arbitrary<BootSituation> = fc.record({
  record: fc.option(anyRecord, { nil: undefined }),
  tries: fc.option(anyTries, { nil: undefined }),
  whole: fc.record({ a: fc.boolean(), b: fc.boolean(), recovery1: fc.boolean(), recovery2: fc.boolean() }),
  saves: fc.boolean(),
});

test("with a record, a bad or empty slot is never tried, and something on trial only at the cost of a stored try or next", () => {
  fc.assert(
    fc.property(anySituation, (situation) => {
      const { record, tries } = situation;
      const decision = decide(situation);
      for (const { target } of decision.attempts) {
        if (!record || target === "recovery") continue;
        const { state: is } = record.slots[target];
        assert.ok(is === "trial" || is === "proven");
        if (is !== "trial") continue;
        assert.ok(tries && situation.saves && decision.tries);
        assert.ok(decision.tries[target] < tries[target] || (tries.next === target && decision.tries.next === undefined));
      }
    }),
    { numRuns: 2000 },
  );
});

test("what boots is whole, nothing is tried twice, and whatever is proven or recovery boots before nothing does", () => {
  fc.assert(
    fc.property(anySituation, (situation) => {
      const { attempts, boots } = decide(situation);
      const images = attempts.map(({ image }) => image);
      assert.equal(new Set(images).size, images.length);
      if (boots) assert.ok(situation.whole[boots] && boots === images.at(-1));
      else {
        const candidates = (Object.keys(IMAGE_FILES) as (keyof typeof IMAGE_FILES)[]).filter((image) => {
          return image.startsWith("r") || !situation.record || situation.record.slots[image as "a"].state === "proven";
        });
        assert.deepEqual(
          candidates.filter((image) => situation.whole[image]),
          [],
        );
      }
    }),
    { numRuns: 2000 },
  );
});

test("tries and next are only ever used up, and boot after boot of a machine that hangs ends in recovery", () => {
  fc.assert(
    fc.property(anyRecord, anyTries, (record, tries) => {
      let now: Tries = tries;
      for (let boot = 0; boot < 20; boot++) {
        const before: Tries = now;
        const decision = decide({ record, tries: before, whole, saves: true });
        now = decision.tries!;
        assert.ok(now.a <= before.a && now.b <= before.b);
        assert.ok(now.next === undefined);
      }
      assert.equal(decide({ record, tries: now, whole, saves: true }).attempts[0]?.target, "recovery");
    }),
  );
});

test("both slots are treated alike", () => {
  const mirror = <T>({ a, b, ...rest }: { a: T; b: T }) => ({ ...rest, a: b, b: a });
  fc.assert(
    fc.property(
      anyRecord,
      fc.option(anyTries, { nil: undefined }),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      (record, tries, a, b, saves) => {
        const swap = (slot: string | undefined): string | undefined => (slot === "a" || slot === "b" ? otherSlot(slot) : slot);
        const images = { ...whole, a, b };
        const one = decide({ record, tries, whole: images, saves });
        const next = swap(tries?.next);
        const swapped = tries && { a: tries.b, b: tries.a, ...(next ? { next: next as "a" } : {}) };
        const mirrored: BootRecord = { ...record, active: otherSlot(record.active), slots: mirror(record.slots) };
        const two = decide({ record: mirrored, tries: swapped, whole: { ...images, a: b, b: a }, saves });
        assert.deepEqual(
          two.attempts.map(({ rule, image }) => [rule, image]),
          one.attempts.map(({ rule, image }) => [rule, swap(image)]),
        );
      },
    ),
  );
});

test("every line of the table can hold", () => {
  const facts = [
    undefined,
    ...(["a", "b"] as const).flatMap((active) => SLOT_STATES.flatMap((a) => SLOT_STATES.map((b) => of(active, a, b)))),
  ].flatMap((record) =>
    [undefined, full, { a: 0, b: 0 }, ...(["a", "b", "recovery"] as const).map((next) => ({ ...full, next }))].map((tries) =>
      bootFacts(record, tries),
    ),
  );
  for (const rule of BOOT_RULES) {
    const holds = facts.some((fact) =>
      Object.entries(rule.when).every(([name, values]) => (values as string[]).includes(fact[name as keyof typeof fact])),
    );
    assert.ok(holds, JSON.stringify(rule));
  }
});
