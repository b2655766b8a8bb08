import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { EMPTY_STATE, type AgentState, type BootEntry } from "../layout/agent-state.ts";
import type { Tries } from "../layout/tries.ts";
import { beginBoot, endBoot, failedBoots, markHealthy, unexpectedEnds, type BootStart } from "./boot-history.ts";

const start = (id: string, more: Partial<BootStart> = {}): BootStart => ({
  id,
  slot: "a",
  version: "1.0",
  at: 1000,
  tries: { a: 5, b: 3 },
  ...more,
});
const after = (tries: Tries | undefined, boots: readonly BootEntry[] = []): AgentState => ({
  ...EMPTY_STATE,
  boots,
  ...(tries ? { tries } : {}),
});
const ends = ({ boots }: AgentState): string[] => boots.map(({ slot, end }) => `${slot} ${end?.how ?? "runs"}`);

suite("a boot begins", () => {
  test("and the one before that was not stopped ended unexpectedly", () => {
    const one = beginBoot(after({ a: 6, b: 3 }), start("1"));
    const two = beginBoot({ ...one, tries: { a: 6, b: 3 } }, start("2"));
    assert.deepEqual(ends(two), ["a unexpected", "a runs"]);
  });
  test("and the one before that was stopped stays so", () => {
    const one = endBoot(beginBoot(after({ a: 6, b: 3 }), start("1")), { how: "stopped", reason: "x" });
    assert.deepEqual(ends(beginBoot({ ...one, tries: { a: 6, b: 3 } }, start("2"))), ["a stopped", "a runs"]);
  });
  test("once, however often the agent starts in it", () => {
    const one = endBoot(beginBoot(after({ a: 6, b: 3 }), start("1")), { how: "stopped", reason: "the agent was restarted" });
    assert.deepEqual(ends(beginBoot(one, start("1"))), ["a runs"]);
  });

  const UNSEEN: readonly (readonly [what: string, before: Tries | undefined, more: Partial<BootStart>, wanted: string[]])[] = [
    ["a try for itself is no failed boot", { a: 6, b: 3 }, {}, ["a runs"]],
    [
      "tries that are gone besides were boots that nobody saw",
      { a: 6, b: 3 },
      { tries: { a: 4, b: 1 } },
      ["a unseen", "b unseen", "b unseen", "a runs"],
    ],
    [
      "a trial that used up its tries failed three times",
      { a: 3, b: 6 },
      { slot: "b", tries: { a: 0, b: 5 } },
      ["a unseen", "a unseen", "a unseen", "b runs"],
    ],
    ["a boot that was asked for by name takes no try", { a: 6, b: 3, next: "a" }, { tries: { a: 6, b: 3 } }, ["a runs"]],
    ["a first boot has nothing before it", undefined, {}, ["a runs"]],
    [
      "what was granted stands in for what nobody remembers",
      undefined,
      { granted: { a: 6, b: 3 }, tries: { a: 3, b: 3 } },
      ["a unseen", "a unseen", "a runs"],
    ],
    ["a first boot takes the first try", undefined, { granted: { a: 6, b: 3 } }, ["a runs"]],
    ["unreadable tries say nothing", { a: 6, b: 3 }, { tries: undefined }, ["a runs"]],
    ["tries that were given back are no boots", { a: 0, b: 0 }, { tries: { a: 6, b: 3 } }, ["a runs"]],
  ];
  for (const [what, before, more, wanted] of UNSEEN) {
    test(`and ${what}`, () => assert.deepEqual(ends(beginBoot(after(before), start("1", more))), wanted));
  }
});

test("failed boots are those that did not end as they should, newest first", () => {
  let state = after({ a: 6, b: 3 });
  for (const id of ["1", "2", "3"]) state = { ...beginBoot(state, start(id)), tries: { a: 6, b: 3 } };
  state = beginBoot(endBoot(state, { how: "stopped", reason: "" }), start("4"));
  assert.deepEqual(
    failedBoots(state).map(({ id }) => id),
    ["2", "1"],
  );
  assert.equal(markHealthy(state).boots.at(-1)!.healthy, true);
});

test("unexpected ends count for one slot, for a day, and by when they ended: a long boot's end is as new as the next boot", () => {
  const boot = (slot: "a" | "b", at: number, how?: "unexpected" | "unseen" | "stopped"): BootEntry => ({
    ...{ slot, at, version: "", healthy: true },
    ...(how ? { end: { how, reason: "" } } : {}),
  });
  const day = 86_400;
  const state = after(undefined, [
    boot("a", 0, "unexpected"), // ended when the next one began, which is too long ago
    boot("a", 9, "unexpected"), // ran for a day
    boot("b", day + 2, "unexpected"),
    boot("a", day + 5, "stopped"),
    boot("a", day + 9, "unseen"),
    boot("a", day + 9),
  ]);
  assert.deepEqual(unexpectedEnds(state, "a", day + 10), [day + 2, day + 9]);
  assert.deepEqual(unexpectedEnds(state, "b", day + 10), [day + 5]);
});
