import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { numberOf, parseShow } from "./systemctl-show.ts";

suite("what systemctl shows", () => {
  test("is read, a unit after the other", () => {
    const text = "Id=ssh.service\nDescription=a = b\nMainPID=7\n\nId=cron.service\nDescription=\n";
    assert.deepEqual(
      parseShow(text).map((unit) => Object.fromEntries(unit)),
      [
        { Id: "ssh.service", Description: "a = b", MainPID: "7" },
        { Id: "cron.service", Description: "" },
      ],
    );
    assert.deepEqual(parseShow("\n\n"), []);
  });

  test("has numbers, or none", () => {
    const cases = [
      ["0", 0],
      ["4096", 4096],
      ["18446744073709551615", undefined],
      ["[not set]", undefined],
      ["", undefined],
      [undefined, undefined],
      ["-1", undefined],
    ] as const;
    for (const [text, number] of cases) assert.equal(numberOf(text), number, String(text));
  });

  test("is read whatever it is", () => {
    const part = fc.oneof(fc.string(), fc.constantFrom("=", "\n", "\n\n", "Id="));
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        for (const unit of parseShow(parts.join(""))) assert.ok(unit.size > 0);
      }),
    );
  });
});
