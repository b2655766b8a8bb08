import assert from "node:assert/strict";
import { test } from "node:test";
import { untilDetached } from "./detach-keys.ts";

const cases: readonly [what: string, typed: string, text: string, detach: boolean][] = [
  ["text goes to the guest", "ls\r", "ls\r", false],
  ["Ctrl-C and Ctrl-A go to the guest", "\u0003\u0001", "\u0003\u0001", false],
  ["Ctrl-] leaves, and what comes after it goes nowhere", "ls\r\u001dexit\r", "ls\r", true],
];
for (const [what, typed, text, detach] of cases) {
  test(what, () => assert.deepEqual(untilDetached(typed), { text, detach }));
}
