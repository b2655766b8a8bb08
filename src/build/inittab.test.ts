import assert from "node:assert/strict";
import { test } from "node:test";
import { inittab } from "./inittab.ts";

const lines = inittab(["ttyS0", "hvc0"])
  .split("\n")
  .filter((line) => line && !line.startsWith("#"))
  .map((line) => line.split(":") as [id: string, levels: string, action: string, program: string]);

test("each line has the four fields of inittab(5), and an id of its own of at most four characters", () => {
  for (const fields of lines) assert.equal(fields.length, 4, fields.join(":"));
  const ids = lines.map(([id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9]{1,4}$/);
});

test("there is a login prompt on the screen and on each serial console", () => {
  const consoles = lines
    .filter(([, , action]) => action === "respawn")
    .map(([, , , program]) => /(tty\d|ttyS0|hvc0)\b/.exec(program)?.[0]);
  assert.deepEqual(consoles, ["tty1", "ttyS0", "hvc0"]);
});

test("nothing starts a shell: a boot that fails does not end at a prompt for root", () => {
  for (const [, , , program] of lines) assert.doesNotMatch(program, /sulogin|\bsh\b/);
});

test("every runlevel is OpenRC's, and the first is multi-user", () => {
  assert.deepEqual(lines[0], ["id", "2", "initdefault", ""]);
  for (const level of "0123456")
    assert.ok(
      lines.some(([, levels, action]) => levels === level && action === "wait"),
      level,
    );
});
