import assert from "node:assert/strict";
import { test } from "node:test";
import { hasColours } from "./has-colours.ts";

const rows: readonly (readonly [isTTY: boolean, env: Readonly<Record<string, string>>, expected: boolean])[] = [
  [true, { TERM: "xterm" }, true],
  [true, { TERM: "xterm", NO_COLOR: "" }, true],
  [true, { TERM: "xterm", NO_COLOR: "1" }, false],
  [true, { TERM: "dumb" }, false],
  [false, { TERM: "xterm" }, false],
];
for (const [isTTY, env, expected] of rows) {
  test(`there are ${expected ? "" : "no "}colours ${isTTY ? "on a terminal" : "in a file"} with ${JSON.stringify(env)}`, () => {
    assert.equal(hasColours({ terminal: { output: { isTTY } } as never, env }), expected);
  });
}
