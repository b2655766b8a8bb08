import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeUpdates } from "./fake-updates.ts";
import { updateNotes } from "./notes.ts";

const NOW = Date.parse("2026-11-23T12:00Z") / 1000;
const window = { days: ["sat"], start: "02:00", length: 3600, zone: "UTC" } as const;

for (const [about, notes] of [
  [{ mode: "apply", windows: [window] }, []],
  [{ holdUntil: NOW + 1 }, []],
  [{ holdUntil: NOW }, ["hold: 2026-11-23 is over: it holds nothing back"]],
  [{ exceptions: [{ from: "2025-12-24", to: "2026-01-06" }] }, ["exceptions: one is over"]],
  [{ exceptions: [{ from: "2025-12-24", to: "2026-11-22" }] }, []], // it is still that day somewhere
  [
    { mode: "apply", windows: [window], exceptions: [{ from: "2026-01-01", to: "2099-12-31" }] },
    ["windows: exceptions cover all of them for a year from 2026-11-23"],
  ],
  [{ mode: "stage", windows: [window] }, ["windows: with mode stage nothing restarts by itself"]],
] as const)
  test(`${JSON.stringify(about)}: ${notes.join() || "nothing is noted"}`, () => {
    assert.deepEqual(updateNotes(fakeUpdates(about), NOW), notes);
  });

test("without a source nothing is looked for", () => {
  const { source: _, ...rest } = fakeUpdates({});
  assert.deepEqual(updateNotes(rest, NOW), ["no source: nothing is looked for"]);
});
