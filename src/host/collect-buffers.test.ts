import assert from "node:assert/strict";
import { test } from "node:test";
import { KiB } from "../core/units.ts";
import { collectBuffers } from "./collect-buffers.ts";
import { run } from "./run.ts";

test("what came is collected after each 512 KiB", () => {
  let collected = 0;
  const came = collectBuffers(() => void collected++);
  for (let i = 0; i < 20; i++) came(64 * KiB);
  assert.equal(collected, 2);
});

test("buffers that were used do not lie about", async () => {
  const program = `
    import { collectBuffers } from ${JSON.stringify(import.meta.resolve("./collect-buffers.ts"))};
    const came = collectBuffers();
    let most = 0;
    for (let i = 0; i < 200; i++) {
      const bytes = new Uint8Array(64 * 1024);
      came(bytes.length);
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
    console.log(most);`;
  const { stdout } = await run([process.execPath, "--input-type=module", "--eval", program]);
  assert.ok(Number(stdout) < 6e6, `${stdout} of 13 MB`);
});
