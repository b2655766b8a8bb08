import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { EMPTY_KERNEL_ARGS, NO_KERNEL_ARGS, type KernelArgs, type StoredKernelArgs } from "./kernel-args.ts";
import {
  activate,
  askNext,
  commitBoot,
  forgetArgs,
  giveArgs,
  giveBack,
  grantTries,
  markBad,
  markBothEmpty,
  markEmpty,
  renewRecord,
  restoreTries,
  settleFallback,
  switchRecovery,
  takeTries,
  type RecordChange,
} from "./record-change.ts";
import type { BootRecord } from "./record.ts";
import type { BootTarget, SlotName, SlotState } from "./slots.ts";
import type { Tries } from "./tries.ts";

const digest = "ab".repeat(32);
const record = (a: SlotState, b: SlotState, active: SlotName = "a"): BootRecord => ({
  active,
  slots: { a: { state: a, digest }, b: { state: b, digest } },
  recovery: 2,
});
const whole = (of: BootRecord) => ({ is: "whole", sequence: 4, record: of }) as const;
const unreadable = { is: "unreadable", why: "the checksum does not match" } as const;
const newer = { is: "newer", sequence: 4, format: 2 } as const;

type Case = readonly [
  what: string,
  running: BootTarget | "ram",
  found: ReturnType<typeof whole> | typeof unreadable | typeof newer,
  tries: Tries | undefined,
  wanted: RecordChange,
];
const cases = (name: string, decide: typeof commitBoot, table: readonly Case[]): void =>
  void suite(name, () => {
    for (const [what, running, found, tries, wanted] of table)
      test(what, () => assert.deepEqual(decide(running, { found, tries }), wanted));
  });

cases("as soon as the agent runs", restoreTries, [
  ["a proven slot has all its tries again", "b", whole(record("trial", "proven")), { a: 0, b: 1 }, { tries: { a: 0, b: 6 } }],
  ["one that has them all needs nothing", "a", whole(record("proven", "empty")), { a: 6, b: 0 }, {}],
  ["a slot on trial gets none back: only passed checks do that", "a", whole(record("trial", "proven")), { a: 1, b: 6 }, {}],
  ["unreadable tries are made anew", "a", whole(record("proven", "trial")), undefined, { tries: { a: 6, b: 3 } }],
  [
    "what is to be booted next stays",
    "a",
    whole(record("proven", "trial")),
    { a: 5, b: 3, next: "b" },
    { tries: { a: 6, b: 3, next: "b" } },
  ],
  ["an unreadable record says nothing about what runs", "a", unreadable, { a: 1, b: 3 }, {}],
  ["a record of a newer format is left alone", "a", newer, { a: 1, b: 1 }, {}],
  ["recovery has no tries", "recovery", whole(record("proven", "proven")), { a: 0, b: 0 }, {}],
  ["a boot from memory has no record", "ram", unreadable, undefined, {}],
]);

cases("passed health checks", commitBoot, [
  [
    "make a trial proven, with the tries of a proven slot",
    "a",
    whole(record("trial", "proven")),
    { a: 2, b: 6 },
    { record: record("proven", "proven"), tries: { a: 6, b: 6 } },
  ],
  ["give a proven slot the tries that it used", "b", whole(record("trial", "proven")), { a: 0, b: 5 }, { tries: { a: 0, b: 6 } }],
  ["change nothing where nothing is to be changed", "a", whole(record("proven", "empty")), { a: 6, b: 0 }, {}],
  [
    "make an unreadable record anew: the running slot is known to be good",
    "b",
    unreadable,
    { a: 1, b: 3 },
    { record: { active: "b", slots: { a: { state: "trial" }, b: { state: "proven" } }, recovery: 1 }, tries: { a: 1, b: 6 } },
  ],
  ["do not declare a bad slot good that runs all the same", "a", whole(record("bad", "proven")), { a: 0, b: 6 }, {}],
  ["leave a record of a newer format alone", "a", newer, { a: 1, b: 1 }, {}],
  ["prove nothing in recovery", "recovery", whole(record("trial", "trial")), { a: 0, b: 0 }, {}],
  ["prove nothing in memory", "ram", unreadable, undefined, {}],
]);

suite("a damaged slot", () => {
  const table: readonly (readonly [what: string, slot: SlotName, found: BootRecord, tries: Tries, wanted: RecordChange])[] = [
    [
      "is bad, has no tries, and the proven other one is active",
      "a",
      record("proven", "proven"),
      { a: 6, b: 6 },
      { record: record("bad", "proven", "b"), tries: { a: 0, b: 6 } },
    ],
    [
      "stays the active one where the other one is not proven: the loader's rules do the rest",
      "a",
      record("proven", "trial"),
      { a: 6, b: 3 },
      { record: record("bad", "trial"), tries: { a: 0, b: 3 } },
    ],
    [
      "that is passive leaves the active one alone",
      "b",
      record("proven", "proven"),
      { a: 6, b: 6, next: "b" },
      { record: record("proven", "bad"), tries: { a: 6, b: 0, next: "b" } },
    ],
    ["that is bad already needs nothing", "b", record("proven", "bad"), { a: 6, b: 0 }, {}],
  ];
  for (const [what, slot, found, tries, wanted] of table)
    test(what, () => assert.deepEqual(markBad(slot, { found: whole(found), tries }), wanted));
  test("of an unreadable record is left to whoever makes it anew", () => {
    assert.deepEqual(markBad("a", { found: unreadable, tries: undefined }), {});
  });
});

suite("for an operation", () => {
  const facts = (of: BootRecord, tries: Tries | undefined = { a: 6, b: 6 }) => ({ found: whole(of), tries });
  const empty = { state: "empty" } as const;
  const proven = { state: "proven", digest } as const;

  test("a slot is emptied before it is written: no digest, no tries, not active, not next", () => {
    assert.deepEqual(markEmpty("b", facts(record("proven", "proven", "b"), { a: 5, b: 3, next: "b" })), {
      record: { active: "a", slots: { a: proven, b: empty }, recovery: 2 },
      tries: { a: 5, b: 0 },
    });
    const done = facts({ active: "a", slots: { a: proven, b: empty }, recovery: 2 }, { a: 5, b: 0, next: "recovery" });
    assert.deepEqual(markEmpty("b", done), {}, "again: nothing");
    assert.deepEqual(markEmpty("b", { found: unreadable, tries: undefined }), {});
  });

  test("a slot gets its tries while it is empty, then becomes the active one", () => {
    const before = facts({ active: "a", slots: { a: proven, b: empty }, recovery: 2 }, { a: 6, b: 0 });
    assert.deepEqual(grantTries("b", "trial", before), { tries: { a: 6, b: 3 } });
    assert.deepEqual(activate("b", "trial", digest, before), {
      record: { active: "b", slots: { a: proven, b: { state: "trial", digest } }, recovery: 2 },
    });
    for (const found of [unreadable, newer]) {
      assert.deepEqual(grantTries("b", "trial", { found, tries: undefined }), {});
      assert.deepEqual(activate("b", "trial", digest, { found, tries: undefined }), {});
    }
  });

  test("the loader's fallback is made the active slot, but only a proven one, and only when the trial is over", () => {
    const over = facts(record("proven", "trial", "b"), { a: 5, b: 0 });
    assert.equal(settleFallback("a", over).record?.active, "a");
    assert.deepEqual(settleFallback("a", facts(record("proven", "trial", "b"), { a: 5, b: 1 })), {}, "it will be tried again");
    assert.deepEqual(settleFallback("a", facts(record("trial", "trial", "b"), { a: 5, b: 0 })), {});
    assert.deepEqual(settleFallback("a", facts(record("proven", "proven", "b"), { a: 5, b: 0 })), {});
    assert.deepEqual(settleFallback("recovery", over), {});
  });

  test("next, tries and the recovery file are changed only where they differ", () => {
    const before = facts(record("proven", "trial"));
    assert.deepEqual(askNext("recovery", before), { tries: { a: 6, b: 6, next: "recovery" } });
    assert.deepEqual(askNext(undefined, before), {});
    assert.deepEqual(takeTries("b", before), { tries: { a: 6, b: 0 } });
    assert.deepEqual(takeTries("b", facts(record("proven", "trial"), { a: 6, b: 0 })), {});
    assert.deepEqual(switchRecovery(2, before), {});
    assert.equal(switchRecovery(1, before).record?.recovery, 1);
  });
});

suite("recovery", () => {
  const table: readonly (readonly [
    what: string,
    slot: SlotName,
    found: BootRecord,
    tries: Tries | undefined,
    wanted: RecordChange,
  ])[] = [
    ["gives a proven slot its tries back", "a", record("proven", "bad"), { a: 0, b: 0 }, { tries: { a: 6, b: 0 } }],
    [
      "gives a slot on trial those of a trial, and makes it the active one",
      "b",
      record("bad", "trial"),
      { a: 0, b: 0 },
      { record: record("bad", "trial", "b"), tries: { a: 0, b: 3 } },
    ],
    [
      "has a slot on trial that was marked bad",
      "a",
      record("bad", "proven"),
      { a: 0, b: 6 },
      { record: record("trial", "proven"), tries: { a: 3, b: 6 } },
    ],
    ["never boots an empty one", "b", record("proven", "empty"), { a: 0, b: 0 }, {}],
    ["changes nothing where that is done", "b", record("bad", "trial", "b"), { a: 0, b: 3 }, {}],
    ["makes unreadable tries anew", "a", record("proven", "trial"), undefined, { tries: { a: 6, b: 3 } }],
  ];
  for (const [what, slot, found, tries, wanted] of table)
    test(what, () => assert.deepEqual(giveBack(slot, { found: whole(found), tries }), wanted));

  test("makes an unreadable record anew: what is whole is on trial, the rest is empty, and nothing else is asked for", () => {
    const tries = { a: 6, b: 6, next: "a" } as const;
    assert.deepEqual(renewRecord(["b"], 2, { found: unreadable, tries }), {
      record: { active: "b", slots: { a: { state: "empty" }, b: { state: "trial" } }, recovery: 2 },
      tries: { a: 0, b: 3 },
    });
    assert.deepEqual(renewRecord([], 1, { found: unreadable, tries: undefined }), {
      record: { active: "a", slots: { a: { state: "empty" }, b: { state: "empty" } }, recovery: 1 },
      tries: { a: 0, b: 0 },
    });
  });
  test("empties both slots before their file system is made anew: no digests, no tries, neither next; what else the record says stays", () => {
    const empty = { state: "empty" } as const;
    const emptied: BootRecord = { active: "b", slots: { a: empty, b: empty }, recovery: 2 };
    const before = whole(record("proven", "trial", "b"));
    assert.deepEqual(markBothEmpty({ found: before, tries: { a: 6, b: 3, next: "b" } }), {
      record: emptied,
      tries: { a: 0, b: 0 },
    });
    assert.deepEqual(markBothEmpty({ found: before, tries: undefined }), { record: emptied, tries: { a: 0, b: 0 } });
    const tries = { a: 0, b: 0, next: "recovery" } as const;
    assert.deepEqual(markBothEmpty({ found: before, tries: { ...tries, a: 1 } }), { record: emptied, tries });
    assert.deepEqual(markBothEmpty({ found: whole(emptied), tries: { a: 0, b: 3 } }), { tries: { a: 0, b: 0 } }, "half done");
    assert.deepEqual(markBothEmpty({ found: whole(emptied), tries }), {}, "again: nothing");
    for (const found of [unreadable, newer]) assert.deepEqual(markBothEmpty({ found, tries }), {});
  });
  test("leaves a record alone that is readable, or newer", () => {
    for (const found of [whole(record("bad", "bad")), newer]) {
      assert.deepEqual(renewRecord(["a", "b"], 1, { found, tries: undefined }), {});
    }
    for (const found of [unreadable, newer]) assert.deepEqual(giveBack("a", { found, tries: undefined }), {});
  });
});

suite("kernel arguments", () => {
  const own: KernelArgs = { append: ["quiet"], remove: [] };
  const trial = { id: "0123abcd", slot: "b", append: ["new"], remove: [] } as const;
  const args: StoredKernelArgs = { slots: { a: NO_KERNEL_ARGS, b: own }, trial };
  const facts = (stored: StoredKernelArgs | undefined) => ({ found: unreadable, tries: undefined, args: stored });
  test("a slot that gets an image gets its arguments, and what was on trial on it is over", () => {
    assert.deepEqual(giveArgs("b", NO_KERNEL_ARGS, facts(args)), { args: EMPTY_KERNEL_ARGS });
    assert.deepEqual(giveArgs("b", own, facts(args)), { args: { slots: args.slots } });
    assert.deepEqual(giveArgs("a", own, facts(args)), { args: { slots: { a: own, b: own }, trial } });
    assert.deepEqual(giveArgs("a", NO_KERNEL_ARGS, facts(args)), {}, "as it is");
    assert.deepEqual(giveArgs("a", own, facts(undefined)), {}, "a disk that knows of none");
  });
  test("a machine whose config goes has none", () => {
    assert.deepEqual(forgetArgs(facts(args)), { args: EMPTY_KERNEL_ARGS });
    for (const done of [EMPTY_KERNEL_ARGS, undefined]) assert.deepEqual(forgetArgs(facts(done)), {});
  });
  test("tries of a trial outlast whatever else happens to the slots", () => {
    const found = whole(record("proven", "trial"));
    const tries: Tries = { a: 6, b: 3, next: "b", args: 2 };
    for (const change of [
      markEmpty("b", { found, tries }),
      takeTries("b", { found, tries }),
      askNext(undefined, { found, tries }),
      askNext("recovery", { found, tries }),
      commitBoot("b", { found, tries }),
    ])
      assert.equal(change.tries?.args, 2);
  });
});
