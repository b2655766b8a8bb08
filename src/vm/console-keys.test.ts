import assert from "node:assert/strict";
import { test } from "node:test";
import { consoleKeys, type ConsoleAction } from "./console-keys.ts";

const send = (text: string): ConsoleAction => ({ type: "send", text });
const cases: readonly { name: string; typed: readonly string[]; actions: readonly ConsoleAction[] }[] = [
  { name: "ordinary text goes to the guest", typed: ["ls\r"], actions: [send("ls\r")] },
  {
    name: "Ctrl-C ends the machine, after what was typed before it",
    typed: ["ls\u0003"],
    actions: [send("ls"), { type: "end" }],
  },
  { name: "Ctrl-A c sends Ctrl-C", typed: ["\u0001c"], actions: [send("\u0003")] },
  {
    name: "Ctrl-A a and Ctrl-A Ctrl-A send Ctrl-A",
    typed: ["\u0001a", "\u0001\u0001"],
    actions: [send("\u0001"), send("\u0001")],
  },
  { name: "Ctrl-A x pulls the plug", typed: ["\u0001x"], actions: [{ type: "pull-plug" }] },
  { name: "the prefix is remembered between two pieces", typed: ["a\u0001", "cb"], actions: [send("a"), send("\u0003b")] },
  { name: "another key after the prefix goes to the guest with it", typed: ["\u0001z"], actions: [send("\u0001z")] },
  { name: "Ctrl-C ends the machine even after the prefix", typed: ["\u0001\u0003"], actions: [{ type: "end" }] },
];
for (const { name, typed, actions } of cases) {
  test(name, () => {
    const keys = consoleKeys();
    assert.deepEqual(typed.flatMap(keys), actions);
  });
}
