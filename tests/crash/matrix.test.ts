import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { detect, OMISSIONS } from "./detections.ts";
import type { Matrix } from "./matrix.ts";
import { detectOverwrite, openOverwrites, OVERWRITE_OMISSIONS, type Overwrites } from "./overwrites.ts";
import { failureText } from "./report.ts";
import { inTurn, openMatrix, runMatrix, runOverwrites } from "./run-matrix.ts";
import { wholeMatrix, writePage, wrongs } from "./whole.ts";

const full = process.env["PETRIFY_TEST"] === "full";
const SEED = 20_261_121;

/** A part of the whole, in a few minutes. */
suite("the power is cut at every moment", { skip: full }, () => {
  let matrix: Matrix & AsyncDisposable;
  before(async () => {
    matrix = await openMatrix(inTurn);
  });
  after(async () => await matrix[Symbol.asyncDispose]());

  test("of a first boot, a health commit, upgrades, a reset and a fallback: whatever is left boots something whole, and nothing proven is lost", async (t) => {
    const result = await runMatrix(matrix, {
      ...{ controllers: ["virtio-blk"], logs: 1, statesAnEpoch: 30, boots: 2, goOn: 1, seed: SEED },
      scenarios: ["health commit", "upgrade", "upgrade by a delta", "reset of a path", "fallback"],
      say: (line) => t.diagnostic(line),
    });
    const failures = result.cuts.flatMap((cut) => cut.failures);
    assert.equal(failures.map(failureText).join("\n"), "");
    const gone = result.cuts.filter(({ cut }) => cut.scenario.name.endsWith(", gone on"));
    assert.equal(gone.length, 1, "an upgrade went on from a slot that was half written");
    const judged = result.cuts.flatMap(({ steps }) => steps).reduce((sum, step) => sum + step.judged, 0);
    assert.ok(judged > 400, `only ${judged} different states were judged`);
    assert.ok(result.boots.length >= 6, `only ${result.boots.length} states were booted`);
    assert.deepEqual(
      result.boots.filter(({ asExpected }) => !asExpected),
      [],
    );
  });

  suite("and a whole disk is overwritten", () => {
    let overwrites: Overwrites;
    before(async () => {
      overwrites = await openOverwrites(matrix);
    });
    after(async () => await overwrites[Symbol.asyncDispose]());

    test("whatever is left boots as it was, or not at all, or as the image that is whole", async (t) => {
      const options = { statesAnEpoch: 60, seed: SEED, say: (line: string) => t.diagnostic(line) };
      const booted = await runOverwrites(matrix, overwrites, {
        ...{ ...options, operations: ["install"], over: ["a disk with an MBR"], boots: 1 },
      });
      const some = await runOverwrites(matrix, overwrites, {
        ...{ ...options, operations: ["flash"], over: ["a blank disk, 4096"], boots: 0 },
      });
      const failures = [...some.overwrites, ...booted.overwrites].flatMap((one) => one.failures);
      assert.equal(failures.map(failureText).join("\n"), "");
      assert.ok(booted.boots.length >= 6, `only ${booted.boots.length} states were booted`);
      assert.deepEqual(
        booted.boots.filter(({ asExpected }) => !asExpected),
        [],
      );
    });

    for (const omission of OVERWRITE_OMISSIONS.filter(({ inShard }) => inShard)) {
      test(`it can fail: without ${omission.left}`, async () => {
        const { found, failures, example } = await detectOverwrite(overwrites, omission, 60);
        assert.ok(found, `${failures} states fail, and none for that reason: ${example}`);
      });
    }
  });

  for (const omission of OMISSIONS.filter(({ inShard }) => inShard)) {
    test(`it can fail: without ${omission.left}`, async () => {
      const { found, failures, example } = await detect(matrix, omission, "virtio-blk");
      assert.ok(found, `${failures} states fail, and none for that reason: ${example}`);
    });
  }
});

test("the whole matrix", { skip: !full }, async (t) => {
  const result = await wholeMatrix({
    ...{ turns: inTurn, logs: 1, statesAnEpoch: 400, boots: 5, seed: SEED },
    say: (line) => t.diagnostic(line),
  });
  await writePage(result);
  assert.equal(result.failures.map(failureText).join("\n"), "");
  assert.deepEqual(result.missed, []);
  assert.equal(wrongs(result), 0);
  const distinct = result.cuts.flatMap(({ steps }) => steps).reduce((sum, step) => sum + step.distinct, 0);
  assert.ok(distinct >= 10_000, `only ${distinct} different states`);
  assert.ok(result.boots.length >= 100, `only ${result.boots.length} states were booted`);
});
