import assert from "node:assert/strict";
import { test } from "node:test";
import { mediumScript } from "./grub-medium.ts";

const script = mediumScript({ name: "my-os", version: "0.1.0", cmdline: "quiet x=$y petrify.slot=ram" });
const at = (text: string): number => {
  assert.ok(script.includes(text), text);
  return script.indexOf(text);
};

test("a medium's script has no menu and ends in a reboot", () => {
  assert.doesNotMatch(script, /menuentry|configfile|timeout|^ *read |search/m);
  assert.match(
    script,
    /\nstart\necho "petrify: this medium does not boot: \$problem"\necho "petrify: [^\n]*\nsleep \d+\nreboot\n$/,
  );
});

test("kernel and initrd are checked before anything is loaded", () => {
  assert.ok(at("hashsum --hash sha256") < at("  if linux "));
  assert.ok(at("  if linux ") < at(" if initrd "));
});

test("the config on the FAT partition goes before the one in the ISO", () => {
  assert.ok(at('-s "($disk,gpt2)/machine.yaml"') > at('-s "($disk)/machine.yaml"')); // the last one found counts
  assert.match(script, /"newc:machine\.yaml:\$config"/);
});

test("the command line is quoted, and its words stay words", () => {
  assert.match(script, /set petrify_cmdline="quiet x=\\\$y petrify\.slot=ram"\n/);
  assert.match(script, /if linux "\(\$disk\)\/vmlinuz" \$petrify_cmdline; then/);
});

test("messages fit a line of 80 columns", () => {
  const problems = [...script.matchAll(/problem="([^"]*)"/g)].map(([, text]) => text!);
  assert.ok(problems.length > 5);
  for (const problem of problems) assert.ok(`petrify: this medium does not boot: ${problem}`.length < 80, problem);
});
