import assert from "node:assert/strict";
import { test } from "node:test";
import type { OpenrcInit } from "./image-init.ts";
import { inittab } from "./inittab.ts";

const DEBIAN: OpenrcInit = {
  ...{ kind: "openrc", path: "/sbin/init", first: "sysvinit", openrc: "/sbin/openrc", openrcRun: "/sbin/openrc-run" },
  ...{ rcScripts: true, getty: { path: "/sbin/getty", of: "util-linux" } },
};
const INITS: Readonly<Record<string, OpenrcInit>> = {
  "Debian's": DEBIAN,
  "a plain sysvinit's": { ...DEBIAN, rcScripts: false },
  "busybox's": { ...DEBIAN, first: "busybox", rcScripts: false, getty: { path: "/sbin/getty", of: "busybox" } },
};
type Line = [id: string, levels: string, action: string, program: string];
const linesOf = (init: OpenrcInit): Line[] =>
  inittab(["ttyS0", "hvc0"], init)
    .split("\n")
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => line.split(":") as Line);
const lines = linesOf(DEBIAN);

for (const [whose, init] of Object.entries(INITS)) {
  test(`${whose} inittab has four fields a line, starts OpenRC, asks for a login on each console, and starts no shell`, () => {
    const all = linesOf(init);
    for (const fields of all) assert.equal(fields.length, 4, fields.join(":"));
    const consoles = all
      .filter(([, , action]) => action === "respawn")
      .map(([, , , text]) => /(tty\d|ttyS0|hvc0)\b/.exec(text)?.[0]);
    assert.deepEqual(consoles, ["tty1", "ttyS0", "hvc0"]);
    for (const [, , , program] of all) assert.doesNotMatch(program, /sulogin|\bsh\b|askfirst/);
    const started = all.filter(([, , action]) => /sysinit|wait/.test(action)).map(([, , , program]) => program);
    assert.ok(started.some((program) => /openrc sysinit|rcS/.test(program)));
    assert.ok(started.some((program) => /openrc default|rc 2/.test(program)));
  });
}

test("busybox knows a console by its first field, and no runlevels", () => {
  for (const [id, levels, action] of linesOf(INITS["busybox's"]!)) {
    assert.equal(levels, "");
    assert.equal(id !== "", action === "respawn");
  }
});

test("an image without a program for logins has none on its consoles, but the installer", () => {
  for (const init of Object.values(INITS)) {
    const text = inittab(["ttyS0"], { ...init, getty: undefined });
    assert.doesNotMatch(text, /respawn|getty/);
    assert.match(text, /once:\/usr\/lib\/petrify\/console tty1\n[^]*once:\/usr\/lib\/petrify\/console ttyS0\n/);
  }
});

test("each line of sysvinit's has an id of its own of at most four characters", () => {
  const ids = lines.map(([id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9]{1,4}$/);
});

test("no line has more than sysvinit reads of one", () => {
  // Source: sysvinit's init.c, `char process[128]`
  for (const [, , , program] of lines) assert.ok(program.length < 128, program);
});

test("every runlevel is OpenRC's, and the first is multi-user", () => {
  assert.deepEqual(lines[0], ["id", "2", "initdefault", ""]);
  for (const level of "0123456")
    assert.ok(
      lines.some(([, levels, action]) => levels === level && action === "wait"),
      level,
    );
});
