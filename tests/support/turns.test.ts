import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { takeTurn } from "./turns.ts";

test("no more than there are places have a turn at once, and everybody gets one", async () => {
  const name = randomUUID();
  let running = 0;
  const seen: number[] = [];
  const all = Array.from({ length: 20 }, async () => {
    await using _ = await takeTurn(name, 3);
    seen.push(++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  });
  await Promise.all(all);
  assert.equal(seen.length, 20);
  assert.equal(Math.max(...seen), 3);
});

test("a turn is over with the process that has it, however that ends", async () => {
  const name = randomUUID();
  const script = `import { takeTurn } from ${JSON.stringify(join(import.meta.dirname, "turns.ts"))};
    await takeTurn(${JSON.stringify(name)}, 1);
    console.log("mine");`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  let mine = false;
  const turn = takeTurn(name, 1).then((taken) => {
    mine = true;
    return taken;
  });
  await using _ = await takeTurn(`${name} other`, 1); // as long as a turn that is free takes
  assert.equal(mine, false);
  child.kill("SIGKILL");
  await (await turn)[Symbol.asyncDispose]();
});
