import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../src/host/run.ts";

test("schemas and the generated parts of the docs are those of the code", async () => {
  const script = join(import.meta.dirname, "../../scripts/generate.ts");
  assert.equal((await run([process.execPath, script, "--check"])).stdout, "everything is up to date\n");
});
