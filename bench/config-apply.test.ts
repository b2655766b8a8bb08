import assert from "node:assert/strict";
import { test } from "node:test";
import { effectiveConfig } from "../src/config/machine/merge.ts";
import { parseDocument } from "../src/config/machine/parse.ts";
import { gunzip } from "../src/host/gunzip.ts";
import { manyFiles } from "./config-apply.ts";

test("the config of many files is sound, and another one differs in one of them", () => {
  const [before, after] = ["before", "after"].map((content) => {
    const parsed = parseDocument(manyFiles(content), "bench.yaml");
    const { config, problems } = effectiveConfig([parsed], gunzip);
    assert.deepEqual([parsed.problems, problems], [[], []]);
    return config.files;
  });
  assert.equal(before!.length, 1000);
  assert.equal(after!.filter((file, index) => JSON.stringify(file) !== JSON.stringify(before![index])).length, 1);
});
