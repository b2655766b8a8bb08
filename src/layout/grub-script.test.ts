import assert from "node:assert/strict";
import { test } from "node:test";
import { BOOT_RULES } from "./boot-rules.ts";
import { commandLineOfScript, grubScript, imageScript } from "./grub-script.ts";

const script = grubScript();

test("the script has no menu and ends in a reboot", () => {
  assert.doesNotMatch(script, /menuentry|configfile|timeout|\bread\b(?!_)/);
  assert.match(script, /\nchoose\necho "petrify: nothing [^\n]*\nsleep \d+\nreboot\n$/);
});

test("every line of the table is there, in order", () => {
  const numbers = [...script.matchAll(/^ {2}# rule (\d)$/gm)].map(([, rule]) => Number(rule));
  assert.deepEqual(
    numbers,
    BOOT_RULES.map(({ rule }) => rule),
  );
});

test("image.cfg is sourced, and a kernel loaded, only after the check of the boot files", () => {
  const checked = script.indexOf("hashsum --hash sha256");
  assert.ok(checked > 0);
  for (const later of ["  source ", "\n  start\n"]) assert.ok(script.indexOf(later) > checked, later);
  assert.equal(script.match(/^ *(if )?(linux|initrd|source) /gm)?.length, 3);
});

test("messages fit a line of 80 columns, whatever they are about", () => {
  const problems = [...script.matchAll(/problem="([^"]*)"/g)].map(([, text]) => text!);
  const reasons = [...script.matchAll(/reason="([^"]*)"/g)].map(([, text]) => text!);
  const messages = [...script.matchAll(/echo "([^"]*)"/g)].flatMap(([, text]) =>
    problems.flatMap((problem) =>
      reasons.map((reason) =>
        text!
          .replace("$problem", problem.replace("$file", "/recovery1.img"))
          .replace("$title", "recovery 1")
          .replace("$reason", reason)
          .replace("$fact_next", "recovery"),
      ),
    ),
  );
  assert.ok(messages.length > 100);
  for (const message of messages) {
    assert.match(message, /^petrify: /);
    assert.ok(message.length < 80, message);
    assert.doesNotMatch(message, /\$/);
  }
});

test("an image's script quotes what GRUB would take as its own", () => {
  assert.equal(imageScript("quiet x=a\\b$c"), 'set petrify_cmdline="quiet x=a\\\\b\\$c"\n');
});

test("the command line of an image's script is read back, whatever is in it", () => {
  for (const text of ["", "quiet", 'a="b c" x=$y z=\\', "petrify.roothash=00 panic=5"])
    assert.equal(commandLineOfScript(imageScript(text)), text);
  assert.throws(() => commandLineOfScript("set other=1\n"), { code: "SYSTEM_IMAGE_INVALID" });
});
