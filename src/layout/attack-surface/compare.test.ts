import assert from "node:assert/strict";
import { test } from "node:test";
import { compareSurfaces } from "./compare.ts";
import type { Finding } from "./finding.ts";

const shell = (name: string, detail = ""): Finding => ({ kind: "shell", name, detail });
const setuid = (name: string, detail: string): Finding => ({ kind: "setuid", name, detail });

for (const [what, before, after, want] of [
  ["nothing", [shell("/bin/sh")], [shell("/bin/sh")], { grew: false, added: [], removed: [], changed: [] }],
  ["less", [shell("/bin/sh")], [], { grew: false, added: [], removed: [shell("/bin/sh")], changed: [] }],
  ["more", [], [shell("/bin/sh")], { grew: true, added: [shell("/bin/sh")], removed: [], changed: [] }],
  [
    "another detail, which counts as growth",
    [setuid("/bin/su", "4750")],
    [setuid("/bin/su", "4755")],
    { grew: true, added: [], removed: [], changed: [{ kind: "setuid", name: "/bin/su", from: "4750", to: "4755" }] },
  ],
  [
    "the same name of another kind",
    [shell("/bin/su")],
    [setuid("/bin/su", "4755")],
    { grew: true, added: [setuid("/bin/su", "4755")], removed: [shell("/bin/su")], changed: [] },
  ],
  [
    "a second one of a name",
    [shell("a", "1")],
    [shell("a", "2"), shell("a", "1")],
    { grew: true, added: [], removed: [], changed: [{ kind: "shell", name: "a", from: "1", to: "1; 2" }] },
  ],
  [
    "another order",
    [shell("a", "1"), shell("a", "2")],
    [shell("a", "2"), shell("a", "1")],
    { grew: false, added: [], removed: [], changed: [] },
  ],
] as const) {
  test(`what differs is ${what}`, () => assert.deepEqual(compareSurfaces(before, after), want));
}
