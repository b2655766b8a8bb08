import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { EVENT_FIELDS, EVENT_KINDS, eventFields, eventMatches, parseEvent, type MachineEvent } from "./events.ts";
import { journalMessage } from "./journal-message.ts";

const EXAMPLES: readonly MachineEvent[] = [
  { kind: "boot-started", boot: { slot: "a", version: "1.4.0" } },
  { kind: "boot-failed", boot: { slot: "b", version: "1.5.0", ending: "unhealthy", reason: "web: no answer" } },
  { kind: "slot-proven", slot: { name: "a", version: "1.4.0" } },
  { kind: "slot-fell-back", slot: { name: "b", reason: "its tries are over" } },
  { kind: "health-changed", health: { state: "unhealthy", reason: "web: no answer" } },
  { kind: "alarm-raised", alarm: { code: "PARTITION_OEM" } },
  { kind: "alarm-cleared", alarm: { code: "PARTITION_OEM" } },
  { kind: "operation-began", operation: { id: "0badcafe", kind: "upgrade", step: "checking", version: "1.5.0" } },
  { kind: "operation-step", operation: { id: "0badcafe", kind: "upgrade", step: "writing" } },
  { kind: "operation-ended", operation: { id: "0badcafe", kind: "upgrade", step: "trial", outcome: "fell back", reason: "x" } },
  { kind: "config-applied", config: { generation: 12, mode: "auto" } },
  { kind: "config-confirmed", config: { generation: 12 } },
  { kind: "config-given-back", config: { generation: 12, reason: "it was not confirmed" } },
  { kind: "config-drifted", config: { generation: 12, mode: "mend", reason: "/etc/motd differs", differences: 2 } },
  { kind: "config-mended", config: { generation: 12, differences: 0 } },
  { kind: "certificate-replaced", certificate: { until: "2027-11-23T00:00:00.000Z" } },
  { kind: "update-found", update: { step: "look", version: "1.5.0", reason: "the source has 1.5.0" } },
  { kind: "update-began", update: { step: "download", version: "1.5.0", reason: "1.5.0 is there" } },
  { kind: "update-done", update: { step: "download", version: "1.5.0", reason: "1.5.0 is there" } },
  { kind: "update-failed", update: { step: "look", reason: "registry.example/edge: does not answer" } },
  { kind: "update-waits", update: { step: "nothing", version: "1.5.0", because: "window", reason: "1.5.0: the next window" } },
  { kind: "audit-entry", audit: { entry: 7, is: "begin", call: "POST /upgrade", by: "alice", role: "admin", via: "api" } },
];
const read = (fields: Readonly<Record<string, unknown>>) => parseEvent(JSON.stringify(fields));

suite("an event", () => {
  test("of every kind comes out of the journal as it went in", () => {
    for (const event of EXAMPLES) {
      const { kind, ...facts } = event;
      const [[about, told]] = Object.entries(facts) as [[string, Readonly<Record<string, string | number>>]];
      const texts = Object.fromEntries(Object.entries(told).map(([name, value]) => [name, String(value)]));
      assert.deepEqual(read(Object.fromEntries(eventFields(event))), { kind, about, facts: texts });
    }
    assert.deepEqual([...EXAMPLES.map(({ kind }) => kind), "unit-failed"].toSorted(), EVENT_KINDS.toSorted());
  });

  test("has no field that is not asked for", () => {
    for (const event of EXAMPLES)
      for (const name of eventFields(event).keys()) assert.ok(EVENT_FIELDS.includes(name), `${name} of ${event.kind}`);
  });

  test("is what systemd says of a unit that has failed", () => {
    const fields = { MESSAGE_ID: "d9b373ed55a64feb8242e02dbe79a49c", UNIT: "web.service", UNIT_RESULT: "exit-code" };
    const facts = { name: "web.service", result: "exit-code" };
    assert.deepEqual(read(fields), { kind: "unit-failed", about: "unit", facts });
  });

  test("that is none, or of a kind that this does not know, is nothing; a number that is none is left out", () => {
    for (const fields of [{}, { MESSAGE: "x" }, { PETRIFY_EVENT: "party" }, { PETRIFY_EVENT: "unit-failed-not" }])
      assert.equal(read(fields), undefined);
    assert.equal(parseEvent("-- no entry"), undefined);
    assert.deepEqual(read({ PETRIFY_EVENT: "config-confirmed", PETRIFY_CONFIG_GENERATION: "twelve" })?.facts, {});
  });

  test("counts only where root has written it", () => {
    const matches = eventMatches(EVENT_KINDS);
    const groups = matches.join(" ").split(" + ");
    assert.equal(groups.length, 2);
    for (const group of groups) assert.match(group, /_UID=0/);
    assert.deepEqual(eventMatches(["unit-failed"]), ["_PID=1", "_UID=0", "MESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c"]);
    assert.deepEqual(eventMatches(["boot-started"]), ["_UID=0", "PETRIFY_EVENT=boot-started"]);
  });

  test("of every kind is in the table of the documentation", async () => {
    const page = await readFile(join(import.meta.dirname, "../../docs/concepts/events.md"), "utf8");
    for (const kind of EVENT_KINDS) assert.match(page, new RegExp(`^\\| \`${kind}\` \\|`, "m"), kind);
  });
});

suite("an entry for the journal", () => {
  test("has a field a line; one with several lines goes with its length, and cannot be taken for other fields", () => {
    const bytes = journalMessage(
      new Map([
        ["MESSAGE", "a\nPRIORITY=0\nb"],
        ["PRIORITY", "6"],
      ]),
    );
    assert.equal(Buffer.from(bytes).toString("latin1"), `MESSAGE\n\x0e\0\0\0\0\0\0\0a\nPRIORITY=0\nb\nPRIORITY=6\n`);
  });

  test("has no field of a name that the journal would not take", () => {
    for (const name of ["", "lower", "_PID", "A=B", "A\nB"]) assert.throws(() => journalMessage(new Map([[name, "x"]])), name);
  });
});
