import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lineEditor } from "./line-editor.ts";

/** What is shown, and the lines that came of it; `^C` where it was interrupted. */
function type(...pieces: readonly string[]): { readonly shown: string; readonly lines: readonly string[] } {
  const editor = lineEditor();
  const typed = pieces.flatMap((text) => editor.type(text));
  return {
    shown: typed.flatMap((one) => ("echo" in one ? one.echo : [])).join(""),
    lines: typed.flatMap((one) => ("line" in one ? one.line : "interrupt" in one ? "^C" : [])),
  };
}

const CASES: Readonly<Record<string, [pieces: readonly string[], shown: string, lines: readonly string[]]>> = {
  "a line is shown as it is typed": [["s", "d", "b\r"], "sdb\n", ["sdb"]],
  "Enter is one key, whatever a terminal makes of it": [["1\r\n2\n3\r", "\n"], "1\n2\n3\n", ["1", "2", "3"]],
  "the last character is taken back, and not more than there are": [["sdx\u007fb\b\b\b\b\r"], "sdx\b \bb\b \b\b \b\b \b\n", [""]],
  "Ctrl-U takes the line back": [["sdb\u0015a\r"], "sdb\b \b\b \b\b \ba\n", ["a"]],
  "Ctrl-C takes the line with it": [["sdb\u0003\r"], "sdb\n", ["^C", ""]],
  "arrows and function keys do nothing, in pieces too": [["\u001b[A\u001b[1;5C\u001bOP\u001b", "[", "5~x\r"], "x\n", ["x"]],
  "what is no ASCII, or no letter, is no key": [["\u00e9\u0000\u0007\u009bx\t\r"], "x\n", ["x"]],
};
for (const [name, [pieces, shown, lines]] of Object.entries(CASES)) {
  test(name, () => assert.deepEqual(type(...pieces), { shown, lines }));
}

test("whatever is typed, a line has at most 64 printable characters, and only those are shown", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary", maxLength: 200 })), (pieces) => {
      const { shown, lines } = type(...pieces, "x".repeat(100), "\r");
      assert.match(shown, /^[ -~\b\n]*$/);
      for (const line of lines) assert.match(line, /^(?:[ -~]{0,64})$/);
    }),
  );
});
