import assert from "node:assert/strict";
import { test } from "node:test";
import type { FinishedOperation } from "../../layout/operation.ts";
import { EMPTY_UPDATES, type KnownRelease, type UpdatesState } from "../../layout/updates-state.ts";
import { next, type UpdateEvent } from "./next.ts";

const RELEASE: KnownRelease = { image: "new", version: "1.5.0", created: 50, security: false, reference: "r@sha256:5" };
const OTHER: KnownRelease = { ...RELEASE, image: "newer", version: "1.6.0" };
const operation = (id: string, endedAt: number, about: Partial<FinishedOperation> = {}): FinishedOperation => ({
  ...{ id, kind: "upgrade", cause: "", startedAt: endedAt - 5, endedAt, from: { slot: "a", version: "1.4.0" }, target: "slot b" },
  ...{ image: { digest: "new", version: "1.5.0" }, outcome: "fell back", reason: "web: refused", ...about },
});
/** @param events each with its time */
const after = (...events: readonly (readonly [event: UpdateEvent, now: number])[]): UpdatesState =>
  events.reduce((state, [event, now]) => next(state, event, now), EMPTY_UPDATES);
const looked = (release: KnownRelease | undefined = RELEASE): UpdateEvent => ({
  is: "looked",
  at: "r stable",
  release,
  chance: 0.5,
});
const failed: UpdateEvent = { is: "failed", image: "new", reason: "the line\nis down" };

test("failures are counted one after the other, and forgotten with what has not failed or is not wanted any more", () => {
  const twice = after([looked(), 1], [failed, 2], [failed, 9]);
  assert.deepEqual(twice.failure, { image: "new", count: 2, at: 9, reason: "the line is down" });
  assert.equal(next(twice, looked(OTHER), 10).failure, undefined);
  assert.equal(next(twice, looked(), 10).failure?.count, 2);
  assert.equal(next(twice, { is: "downloaded", image: "new" }, 10).failure, undefined);
  const down: UpdateEvent = { is: "look failed", at: "r stable", reason: "x", chance: 0 };
  assert.deepEqual([after([down, 1], [down, 2]).lookFailure?.count, after([down, 1], [looked(), 2]).lookFailure], [2, undefined]);
});

test("what was found is known while the source cannot be looked at, and forgotten when it has nothing any more", () => {
  assert.equal(after([looked(), 1], [{ is: "look failed", at: "r stable", reason: "x", chance: 0 }, 2]).release?.image, "new");
  assert.equal(after([looked(), 1], [{ is: "looked", at: "r stable", release: undefined, chance: 0 }, 2]).release, undefined);
});

test("of another source nothing is known while it cannot be looked at, and it has not failed before", () => {
  const before = after(
    [looked(), 1],
    [{ is: "told" }, 2],
    [failed, 3],
    [{ is: "look failed", at: "r stable", reason: "x", chance: 0 }, 4],
  );
  const other = next(before, { is: "look failed", at: "s stable", reason: "y", chance: 0 }, 5);
  assert.deepEqual([other.release, other.failure, other.told, other.lookFailure?.count], [undefined, undefined, undefined, 1]);
  assert.equal(next(other, { is: "look failed", at: "s stable", reason: "y", chance: 0 }, 6).lookFailure?.count, 2);
});

test("a release that fell back is left once for each time that it did, whatever clocks say", () => {
  const history = (...operations: FinishedOperation[]): UpdateEvent => ({ is: "history", operations });
  const once = after([looked(), 1], [history(operation("a", 1000)), 2]);
  assert.deepEqual(once.left, [
    { operation: "a", image: "new", version: "1.5.0", created: 50, at: 1000, reason: "web: refused" },
  ]);
  const again = next(once, { is: "told" }, 3);
  assert.equal(again.left[0]!.again, true);
  assert.equal(next(again, history(operation("a", 1000)), 4).left[0]!.again, true, "it is the same time");
  // The clock was set back meanwhile.
  const twice = next(again, history(operation("a", 1000), operation("b", 500)), 5);
  assert.deepEqual(
    [twice.left.length, twice.left[0]!.operation, twice.left[0]!.again, twice.told],
    [1, "b", undefined, undefined],
  );
});

test("only upgrades that fell back are left", () => {
  const others = [
    operation("a", 1, { outcome: "failed" }),
    operation("b", 2, { kind: "rollback" }),
    operation("c", 3, { image: {} }),
  ];
  assert.deepEqual(after([{ is: "history", operations: others }, 9]).left, []);
});

test("how long an update takes is measured from staging to a healthy machine, by clocks that nobody sets", () => {
  const staging: UpdateEvent = { is: "staging", image: "new", uptime: 5000 };
  const staged: UpdateEvent = { is: "staged", uptime: 5040 };
  const healthy = (uptime: number, image = "new"): UpdateEvent => ({ is: "healthy", image, uptime });
  assert.deepEqual(after([staging, 100], [staged, 9], [healthy(25), 1e9]), { ...EMPTY_UPDATES, took: 40 + 60 + 25 });
  assert.equal(after([staging, 1], [staged, 2], [healthy(25, "other"), 3]).took, undefined);
  assert.equal(after([staging, 1], [healthy(25), 3]).took, undefined, "it was not staged to its end");
  assert.equal(after([staging, 1], [{ is: "staged", uptime: 10 }, 2], [healthy(25), 3]).took, undefined, "in another boot");
  assert.equal(after([staging, 1], [staged, 2], [healthy(7200), 3]).took, undefined, "nobody saw it");
});

test("what is said to be applied now is what was found then: nothing where there is nothing, and not what is found later", () => {
  assert.deepEqual(after([{ is: "told" }, 1]), EMPTY_UPDATES);
  const told = after([looked(), 1], [failed, 2], [{ is: "told" }, 3]);
  assert.deepEqual([told.told, told.failure], [{ image: "new", at: 3 }, undefined]);
  assert.equal(next(told, looked(OTHER), 4).told, undefined);
  assert.equal(next(told, failed, 4).told, undefined, "a person looks what it was");
});

test("after a start nobody knows whether the fleet's lock is held; without a server nothing is held", () => {
  const held = after([{ is: "lock taken" }, 1]);
  assert.equal(next(held, { is: "started", coordinated: true }, 2).lock, "unsure");
  assert.deepEqual(next(held, { is: "started", coordinated: false }, 2), EMPTY_UPDATES);
  const refused = next(held, { is: "lock refused", reason: "no slots" }, 2);
  assert.deepEqual([refused.lockFailure?.count, next(refused, { is: "lock given back" }, 3)], [1, EMPTY_UPDATES]);
});

test("a pause has its reason, and ends when somebody says so", () => {
  const paused = after([{ is: "paused", by: "ops", until: 9, reason: "fair" }, 1]);
  assert.deepEqual(paused.paused, { at: 1, by: "ops", until: 9, reason: "fair" });
  assert.deepEqual(next(paused, { is: "resumed" }, 2), EMPTY_UPDATES);
});
