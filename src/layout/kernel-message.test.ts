import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseKernelMessage } from "./kernel-message.ts";

suite("a record of the kernel's log", () => {
  test("of the kernel, and of a program", () => {
    assert.deepEqual(parseKernelMessage("6,339,5140900,-;NET: Registered PF_INET; protocol family"), {
      ...{ number: 339, time: 5_140_900, priority: 6, facility: 0, message: "NET: Registered PF_INET; protocol family" },
    });
    assert.deepEqual(parseKernelMessage("30,340,5690716,-;systemd[1]: up"), {
      ...{ number: 340, time: 5_690_716, priority: 6, facility: 3, message: "systemd[1]: up" },
    });
  });

  test("with fields that a newer kernel adds", () =>
    assert.equal(parseKernelMessage("3,1,2,c,caller=T1,more=x;text")?.message, "text"));

  test("with bytes that do not print", () => {
    for (const [text, message] of [
      [String.raw`gr\xc3\xb6\xc3\x9fer`, "größer"],
      [String.raw`a\x5cb\x1b[2J`, "a\\b\u001b[2J"],
      [String.raw`\xff`, "\ufffd"],
      [String.raw`ö\x41`, String.raw`ö\x41`],
      ["plain", "plain"],
    ] as const)
      assert.equal(parseKernelMessage(`6,1,2,-;${text}`)?.message, message);
  });

  test("is nothing else: neither what follows one, nor noise", () => {
    for (const line of [" SUBSYSTEM=acpi", "", "6,1,2,-", "x,1,2,-;a", "6,1,-;a", "-6,1,2,-;a"])
      assert.equal(parseKernelMessage(line), undefined, line);
    fc.assert(fc.property(fc.string({ unit: "binary" }), (line) => void parseKernelMessage(line)));
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => void parseKernelMessage(`6,1,2,-;${text}`)));
  });
});
