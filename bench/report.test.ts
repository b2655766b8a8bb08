import assert from "node:assert/strict";
import { test } from "node:test";
import { isReached, markdown, packageDifferences, replaceTables, type Comparison, type Report } from "./report.ts";

const comparison: Comparison = {
  title: "rebuild",
  peer: "mkosi",
  ours: [10, 12],
  theirs: [40, 50],
  goal: { ratio: 0.3, seconds: 15 },
};

test("a goal is reached when the median ratio and the median time both are", () => {
  for (const [change, reached] of [
    [{}, true],
    [{ goal: { ratio: 0.2 } }, false],
    [{ goal: { ratio: 0.3, seconds: 10 } }, false],
    [{ ours: [1, 100], theirs: [100, 100], goal: { ratio: 0.3 } }, false],
  ] as const) {
    assert.equal(isReached({ ...comparison, ...change }), reached, JSON.stringify(change));
  }
});

test("a report shows medians with their range, ratios of pairs, goals and whether they are reached", () => {
  const report: Report = {
    date: "2026-11-21",
    command: "npm run bench",
    versions: { mkosi: "25.3" },
    machine: { cores: "2" },
    comparisons: [comparison],
    stages: [],
    sizes: [{ title: "zstd -19", sizes: { petrify: 61e6, mkosi: 50e6 }, goal: 60e6 }],
    counts: [],
    deltas: [],
    notes: ["as it was"],
  };
  const text = markdown(report);
  assert.match(
    text,
    /\| rebuild \| mkosi \| 11\.0 s \(10\.0–12\.0\) \| 45\.0 s \(40\.0–50\.0\) \| 0\.24 \(0\.24–0\.25\) \| ≤ 0\.30 and ≤ 15 s \| yes \|/,
  );
  assert.match(text, /\| zstd -19 \| 61\.0 MB \(58\.2 MiB\) \| 50\.0 MB \(47\.7 MiB\) \| ≤ 60\.0 MB \(57\.2 MiB\) \| no \|/);
  assert.match(text, /Measured on 2026-11-21 by `npm run bench`\.\n\n- cores: 2\n- mkosi: 25\.3\n- as it was\n$/);
});

test("differences between two package lists are named, and their absence too", () => {
  assert.deepEqual(packageDifferences("mkosi", ["a 1", "c 1"], ["a 1", "b 1"]), [
    "Only mkosi has: c 1.",
    "Only petrify (of these two, beside mkosi) has: b 1.",
  ]);
  assert.deepEqual(packageDifferences("mkosi", ["a 1"], ["a 1"]), [
    "mkosi has exactly petrify's 1 packages, in the same versions.",
  ]);
});

test("new tables replace the older ones in the page and nothing else; a page without the marks is refused", () => {
  const page = (tables: string): string =>
    `# Title\n<!-- written by \`npm run bench\`: do not edit -->\n\n${tables}\n<!-- end of what is written -->\nend\n`;
  assert.equal(replaceTables(page("old"), "new"), page("new"));
  assert.throws(() => replaceTables("# Title\n", "new"), { code: "PAGE_UNMARKED" });
});

test("counts are a table with a column for each side, empty where one has none", () => {
  const report: Report = {
    ...{ date: "2026-11-23", command: "npm run bench", versions: {}, machine: {} },
    ...{ comparisons: [], stages: [], sizes: [], deltas: [], notes: [] },
    counts: [
      { title: "shells", counts: { open: 2, sealed: 0 } },
      { title: "packages", counts: { open: 90 } },
    ],
  };
  assert.match(
    markdown(report),
    /^\| what \| open \| sealed \|\n\|---\|---:\|---:\|\n\| shells \| 2 \| 0 \|\n\| packages \| 90 \|  \|$/m,
  );
});
