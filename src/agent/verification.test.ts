import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { EMPTY_STATE, type AgentState, type BootEntry } from "../layout/agent-state.ts";
import type { RecordFacts } from "../layout/record-change.ts";
import type { SlotState } from "../layout/slots.ts";
import {
  consequenceOf,
  knownDamage,
  nextVerification,
  SCRUB_INTERVAL,
  withScrub,
  type VerificationSituation,
} from "./verification.ts";

const record = (a: SlotState, b: SlotState): RecordFacts => ({
  found: {
    is: "whole",
    sequence: 1,
    record: { active: "a", slots: { a: { state: a, digest: "aa" }, b: { state: b, digest: "bb" } }, recovery: 1 },
  },
  tries: { a: 6, b: 6 },
});
const crash = (at: number): BootEntry => ({ slot: "a", at, version: "", healthy: true, end: { how: "unexpected", reason: "" } });
const situation = (more: Partial<VerificationSituation> & { state?: AgentState }): VerificationSituation => ({
  ...{ record: record("proven", "proven"), running: "a", now: 10_000, asked: new Set<never>(), jitter: 0 },
  ...more,
  state: { ...EMPTY_STATE, since: 0, ...more.state },
});
const state = (more: Partial<AgentState>): AgentState => ({ ...EMPTY_STATE, since: 0, ...more });

suite("what is verified", () => {
  const TABLE: readonly (readonly [what: string, given: VerificationSituation, wanted: string | undefined])[] = [
    ["nothing on an ordinary day", situation({}), undefined],
    [
      "the running slot after three boots that died before their agent ran",
      situation({
        state: state({
          boots: [1, 2, 3].map((at) => ({ slot: "a", at, version: "", healthy: false, end: { how: "unseen", reason: "" } })),
        }),
      }),
      "a urgent 0",
    ],
    ["nothing after two unexpected ends", situation({ state: state({ boots: [crash(1), crash(2)] }) }), undefined],
    ["the running slot after three", situation({ state: state({ boots: [crash(1), crash(2), crash(3)] }) }), "a urgent 0"],
    [
      "not again once it was found whole after the last one",
      situation({ state: state({ boots: [crash(1), crash(2), crash(3)], scrubs: { a: { at: 4 } } }) }),
      undefined,
    ],
    [
      "not again by the boot after the last one, once that has found it whole",
      situation({
        state: state({
          boots: [crash(1), crash(2), crash(3), { slot: "a", at: 4, version: "", healthy: false }],
          scrubs: { a: { at: 4 } },
        }),
      }),
      undefined,
    ],
    [
      "once more after a further end, although the boot that ended had found it whole",
      situation({
        state: state({
          boots: [crash(1), crash(2), crash(3), { slot: "a", at: 9, version: "", healthy: false }],
          scrubs: { a: { at: 4 } },
        }),
      }),
      "a urgent 0",
    ],
    [
      "from where a crash cut it off",
      situation({ state: state({ boots: [crash(1), crash(2), crash(3)], verifying: { slot: "a", digest: "aa", blocks: 700 } }) }),
      "a urgent 700",
    ],
    [
      "from the start when the slot holds another image by now",
      situation({ state: state({ boots: [crash(1), crash(2), crash(3)], verifying: { slot: "a", digest: "00", blocks: 700 } }) }),
      "a urgent 0",
    ],
    [
      "an empty slot not even when it is asked for",
      situation({ asked: new Set(["b"] as const), record: record("proven", "empty") }),
      undefined,
    ],
    [
      "a bad one when it is asked for",
      situation({ asked: new Set(["b"] as const), record: record("proven", "bad") }),
      "b urgent 0",
    ],
    ["what was asked for", situation({ asked: new Set(["b"] as const) }), "b urgent 0"],
    ["every image a month after the first boot", situation({ now: SCRUB_INTERVAL }), "a idle 0"],
    ["at a time of the machine's own", situation({ now: SCRUB_INTERVAL, jitter: 0.5 }), undefined],
    [
      "an empty slot never",
      situation({
        now: SCRUB_INTERVAL,
        record: record("proven", "empty"),
        state: state({ scrubs: { a: { at: SCRUB_INTERVAL } } }),
      }),
      "recovery idle 0",
    ],
    ["nothing where there is no disk", situation({ running: "ram", now: SCRUB_INTERVAL }), undefined],
  ];
  for (const [what, given, wanted] of TABLE) {
    test(what, () => {
      const next = nextVerification(given);
      assert.equal(next && `${next.image} ${next.priority} ${next.from}`, wanted);
    });
  }
});

suite("damage", () => {
  test("of the running slot makes it bad and restarts into a proven one", () =>
    assert.deepEqual(consequenceOf("a", "a", record("proven", "proven")), { do: "mark-bad", slot: "a", restart: true }));
  for (const other of ["trial", "bad", "empty"] as const) {
    test(`of the running slot is an alarm while the other one is ${other}: there is nothing better to boot`, () =>
      assert.deepEqual(consequenceOf("a", "a", record("proven", other)), { do: "alarm" }));
  }
  test("of the other slot makes that one bad, and restarts nothing", () =>
    assert.deepEqual(consequenceOf("b", "a", record("proven", "proven")), { do: "mark-bad", slot: "b", restart: false }));
  test("of recovery is an alarm", () =>
    assert.deepEqual(consequenceOf("recovery", "a", record("proven", "proven")), { do: "alarm" }));
});

suite("damage that was found", () => {
  const found = state({ scrubs: { a: { at: 1, damage: "x" }, b: { at: 1 }, recovery: { at: 1, damage: "y" } } });
  test("is known for as long as the image is there", () => {
    for (const is of ["bad", "proven", "trial"] as const) assert.equal(knownDamage("a", found, record(is, "proven")), "x");
    assert.equal(knownDamage("recovery", found, record("empty", "proven")), "y");
  });
  test("is gone with the image", () => assert.equal(knownDamage("a", found, record("empty", "proven")), undefined));
  test("is not made up", () => assert.equal(knownDamage("b", found, record("bad", "bad")), undefined));
});

test("a result ends what was cut, and keeps the others", () => {
  const before = state({ verifying: { slot: "a", digest: "aa", blocks: 5 }, scrubs: { b: { at: 1 } } });
  const { verifying, scrubs } = withScrub(before, "a", { at: 9, damage: "x" });
  assert.equal(verifying, undefined);
  assert.deepEqual(scrubs, { b: { at: 1 }, a: { at: 9, damage: "x" } });
});
