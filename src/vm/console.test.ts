import assert from "node:assert/strict";
import { test } from "node:test";
import { AppError } from "../core/error.ts";
import { ConsoleLog } from "./console.ts";

const texts: readonly { name: string; chunks: readonly string[]; text: string }[] = [
  { name: "carriage returns are dropped", chunks: ["one\r\ntwo\r\n"], text: "one\ntwo\n" },
  {
    name: "colours and cursor movements are dropped",
    chunks: ["\u001b[2J\u001b[01;01H[\u001b[0;32m  OK  \u001b[0m] ready"],
    text: "[  OK  ] ready",
  },
  { name: "an escape sequence cut by a chunk is dropped whole", chunks: ["a\u001b", "[1;3", "1mb\u001b[", "0mc"], text: "abc" },
  {
    name: "a context mark of systemd is dropped",
    chunks: ["\u001b]3008;start=1;type=boot\u001b\\hello\u001b]0;title\u0007!"],
    text: "hello!",
  },
  { name: "a character-set choice is dropped", chunks: ["\u001b(Bx\u001bcy"], text: "xy" },
];
for (const { name, chunks, text } of texts) {
  test(name, () => {
    const log = new ConsoleLog();
    for (const chunk of chunks) log.append(chunk);
    assert.equal(log.text, text);
  });
}

test("text that is cut anywhere reads the same", () => {
  const whole = "\u001b[2J\u001b[01;01Hone\u001b]3008;x=\u001b\\two\r\n\u001b(B\u001b[0;1;31mthree\u001b[0m";
  for (let cut = 0; cut <= whole.length; cut++) {
    const log = new ConsoleLog();
    log.append(whole.slice(0, cut));
    log.append(whole.slice(cut));
    assert.equal(log.text, "onetwo\nthree", `cut at ${cut}`);
  }
});

test("a wait ends with text that was there before it", async () => {
  const log = new ConsoleLog();
  log.append("login: ");
  assert.equal((await log.waitFor("login:")).index, 0);
});

test("a wait looks only behind what the last one matched", async () => {
  const log = new ConsoleLog();
  log.append("boot 1\n");
  assert.equal((await log.waitFor(/boot (\d)/))[1], "1");
  const second = log.waitFor(/boot (\d)/);
  log.append("boo");
  log.append("t 2\n");
  assert.equal((await second)[1], "2");
});

test("a pattern's g flag does not make it skip text", async () => {
  const log = new ConsoleLog();
  const pattern = /x\d/g;
  log.append("x1 x2");
  assert.deepEqual([(await log.waitFor(pattern))[0], (await log.waitFor(pattern))[0]], ["x1", "x2"]);
});

test("a wait that takes too long says what it waited for and the last lines", async () => {
  const log = new ConsoleLog();
  log.append("kernel: hung\n");
  await assert.rejects(
    log.waitFor("never", { timeoutMs: 1 }),
    (error: AppError) => error.code === "VM_TIMEOUT" && /never/.test(error.message) && /kernel: hung/.test(error.message),
  );
  log.append("never");
  await log.waitFor("never"); // the next wait is not disturbed
});

test("who waits when the machine ends gets its end, and so does who comes later", async () => {
  const log = new ConsoleLog();
  const waiting = log.waitFor("never");
  log.append("bye\n");
  log.end(new AppError("VM_ENDED", "over"));
  await assert.rejects(waiting, { code: "VM_ENDED" });
  await assert.rejects(log.waitFor("never"), { code: "VM_ENDED" });
  await log.waitFor("bye"); // what it had said is still found
});

test("a log with a limit keeps the last text, and who waits still finds what comes", async () => {
  const log = new ConsoleLog(10);
  for (let n = 0; n < 100; n++) log.append(`line ${n}\n`);
  assert.ok(log.text.length >= 10 && log.text.length <= 20, log.text);
  assert.ok(log.text.endsWith("line 99\n"));
  await log.waitFor("line 99");
  log.append("x".repeat(30));
  log.append("ready");
  await log.waitFor("ready");
  await assert.rejects(log.waitFor("ready", { timeoutMs: 1 }), { code: "VM_TIMEOUT" });
});
