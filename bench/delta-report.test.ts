import assert from "node:assert/strict";
import { test } from "node:test";
import { pairTables, type PairFigures } from "./delta-report.ts";
import { goalsOf } from "./measure-deltas.ts";

const cost = { seconds: 1.26, memory: 64 * 1024 ** 2, written: 9e6 } as const;
const peers = [
  { tool: "limit: each file by itself", bytes: 100_000 },
  { tool: "ostree static-delta", bytes: 300_000, make: cost, apply: cost },
  { tool: "desync, chunks of 16:64:256 KiB", bytes: 30e6, make: cost, apply: cost },
  { tool: "desync, chunks of 4:16:64 KiB", bytes: 20e6, make: cost, apply: cost },
  { tool: "zstd -19, the whole image", bytes: 80e6 },
] as const;

test("petrify is compared with the peers that the goals name, in each of their settings", () => {
  const goals = (name: Parameters<typeof goalsOf>[0]): unknown[] =>
    goalsOf(name, peers).map(({ peer, ratio }) => [peer.split(" KiB")[0], ratio]);
  const always = [
    ["limit: each file by itself", 1.15],
    ["zstd -19, the whole image", 1],
  ];
  assert.deepEqual(goals("frozen"), always);
  assert.deepEqual(goals("package"), [
    ["ostree static-delta", 0.75],
    ["desync, chunks of 16:64:256", 0.02],
    ["desync, chunks of 4:16:64", 0.02],
    ...always,
  ]);
  assert.deepEqual(goals("kernel"), [["ostree static-delta", 0.9], ...always]);
  assert.equal(goalsOf("package", peers)[2]?.theirs, 20e6);
});

test("a pair's table has a row for each tool, with petrify's share; nothing where nothing was measured; and what became of the goals", () => {
  const figures: PairFigures = {
    ...{ title: "One package", image: 384e6, peers, notes: ["Update: a 1 → 2."] },
    petrify: { tool: "petrify", bytes: 110_000, make: cost, apply: cost },
    goals: [
      { peer: "ostree static-delta", theirs: 300_000, ratio: 0.75 },
      { peer: "desync", theirs: 20e6, ratio: 0.002 },
    ],
  };
  const text = pairTables(figures).join("\n");
  assert.match(text, /^\*\*One package\*\*: an image of 384\.0 MB\. Update: a 1 → 2\.\n/);
  assert.match(text, /\| petrify \| 0\.110 MB \| {2}\| 1\.3 s \| 64 MiB \| 1\.3 s \| 64 MiB \| 9\.000 MB \|/);
  assert.match(text, /\| ostree static-delta \| 0\.300 MB \| 0\.37 \| 1\.3 s /);
  assert.match(text, /\| desync, chunks of 4:16:64 KiB \| 20\.0 MB \| 0\.0055 \|/);
  assert.match(text, /\| limit: each file by itself \| 0\.100 MB \| 1\.10 \| {2}\| {2}\| {2}\| {2}\| {2}\|/);
  assert.match(text, /\| ostree static-delta \| 0\.110 MB \| 0\.300 MB \| 0\.37 \| ≤ 0\.75 \| yes \|/);
  assert.match(text, /\| desync \| 0\.110 MB \| 20\.0 MB \| 0\.0055 \| ≤ 0\.002 \| no \|/);
});
