import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseJournalEntry } from "./journal-entry.ts";

const BOOT = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const CURSOR = `s=5c1f;i=1a;b=${BOOT};m=2b;t=6443a1;x=9d`;
const entry = (fields: object): string =>
  JSON.stringify({ __CURSOR: CURSOR, __REALTIME_TIMESTAMP: "1763844136123456", __MONOTONIC_TIMESTAMP: "43", ...fields });

suite("an entry of the journal", () => {
  test("of a service", () => {
    const line = entry({
      ...{ MESSAGE: "Server listening on :: port 22.", PRIORITY: "6", SYSLOG_IDENTIFIER: "sshd", _COMM: "sshd", _PID: "712" },
      ...{ _SYSTEMD_UNIT: "ssh.service", _BOOT_ID: BOOT, _TRANSPORT: "syslog" },
    });
    assert.deepEqual(parseJournalEntry(line), {
      ...{ cursor: CURSOR, time: 1_763_844_136_123_456, priority: 6, unit: "ssh.service", identifier: "sshd", pid: 712 },
      ...{ message: "Server listening on :: port 22.", bootId: BOOT },
    });
  });

  test("that PID 1 has about a unit is that unit's", () => {
    const found = parseJournalEntry(entry({ MESSAGE: "Started", UNIT: "ssh.service", _SYSTEMD_UNIT: "init.scope", _PID: "1" }));
    assert.deepEqual([found?.unit, found?.pid], ["ssh.service", 1]);
  });

  for (const [name, value, text] of [
    ["bytes that are no UTF-8", [0x61, 0xff, 0x62], "a\ufffdb"],
    ["a message that was too long for journalctl", null, ""],
    ["a field that is there twice", ["one", "two"], "one"],
    ["several of bytes", [[0x61], [0x62]], "a"],
    ["nothing", [], ""],
    ["lines", "a\nb", "a\nb"],
    ["32 KiB", "x".repeat(40_000), `${"x".repeat(32_768)}…`],
    ["half a character at the end of 32 KiB", `${"x".repeat(32_767)}😀`, `${"x".repeat(32_767)}…`],
  ] as const) {
    test(`with ${name}`, () => assert.equal(parseJournalEntry(entry({ MESSAGE: value }))?.message, text));
  }

  test("with numbers that are none goes without them", () => {
    const found = parseJournalEntry(entry({ MESSAGE: "x", PRIORITY: "9", _PID: "-1", SYSLOG_PID: "4" }));
    assert.deepEqual([found?.priority, found?.pid], [undefined, 4]);
  });

  test("is nothing else", () => {
    for (const line of ["", "{", "null", "[]", "1", '{"MESSAGE":"x"}', '{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"x"}'])
      assert.equal(parseJournalEntry(line), undefined, line);
    const anything = fc.dictionary(fc.constantFrom("MESSAGE", "PRIORITY", "_PID", "UNIT", "__CURSOR"), fc.jsonValue());
    fc.assert(fc.property(anything, (fields) => void parseJournalEntry(entry(fields))));
    fc.assert(fc.property(fc.string({ unit: "binary" }), (line) => void parseJournalEntry(line)));
  });
});
