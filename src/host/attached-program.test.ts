import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { suite, test } from "node:test";
import { attachedProgram } from "./attached-program.ts";

const SIZE = { columns: 90, rows: 30 };
const all = async (from: AsyncIterable<Uint8Array>): Promise<string> => Buffer.concat(await Array.fromAsync(from)).toString();
const sh = (script: string) => async () => await Promise.resolve(["sh", "-c", script] as const);

suite("a program that somebody is attached to", () => {
  test("has three streams, and an exit code", async () => {
    await using program = await attachedProgram(sh("cat; echo wrong >&2; exit 4"), undefined);
    await program.write(Buffer.from("said"));
    program.endInput();
    assert.deepEqual(await Promise.all([all(program.output), all(program.errors), program.ended]), ["said", "wrong\n", 4]);
    await program.write(Buffer.from("too late"));
  });

  test("is told by its signal where that has ended it, and cannot be run where it is not there", async () => {
    await using killed = await attachedProgram(sh("kill -9 $$"), undefined);
    assert.equal(await killed.ended, 137);
    await using none = await attachedProgram(async () => await Promise.resolve(["/nowhere/x"]), undefined);
    await assert.rejects(none.ended, { code: "ENOENT" });
  });

  test("waits while nobody takes what it writes, and is killed when its scope ends", async () => {
    let pid = 0;
    {
      await using program = await attachedProgram(sh("echo $$; exec yes"), undefined);
      for await (const bytes of program.output) {
        pid = Number.parseInt(Buffer.from(bytes).toString(), 10);
        break;
      }
    }
    assert.ok(pid > 0 && !existsSync(`/proc/${pid}`));
  });

  test("has a terminal of the size that it is given; what is typed is taken although it reads nothing", async () => {
    await using program = await attachedProgram(sh("stty size; read x; stty size; echo got $x; sleep 0.1"), SIZE);
    assert.match(program.terminal!, /^\/dev\/pts\/\d+$/);
    let shown = "";
    let isTyped = false;
    for await (const bytes of program.output) {
      shown += Buffer.from(bytes).toString();
      if (!shown.includes("30 90") || isTyped) continue;
      isTyped = true;
      program.resize({ columns: 50, rows: 20 });
      await program.write(Buffer.from("hello\r"));
    }
    assert.match(shown, /^30 90\r\nhello\r\n20 50\r\ngot hello\r\n$/);
    assert.equal(await program.ended, 0);
    program.resize(SIZE);
    await program.write(Buffer.from("too late"));
  });
});
