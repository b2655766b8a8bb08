import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditFields } from "../layout/audit-log.ts";
import { auditEvent, auditLine } from "./audit-event.ts";

const by = { name: "alice", via: "api", role: "admin", serial: "3A", address: "192.0.2.1" } as const;

test("an entry of the audit log is an event without its arguments", () => {
  const entries: readonly (readonly [AuditFields, string, object])[] = [
    [
      { is: "begin", call: "POST /upgrade", by, arguments: { source: "secret" } },
      "audit entry 7: alice asks for POST /upgrade",
      { is: "begin", call: "POST /upgrade", by: "alice", via: "api", role: "admin" },
    ],
    [
      { is: "end", of: 6, outcome: "failed", code: "NO_SLOT", reason: "because" },
      "audit entry 7: what entry 6 tells of is failed",
      { is: "end", of: 6, outcome: "failed", code: "NO_SLOT" },
    ],
    [{ is: "open", format: 1 }, "audit entry 7: open", { is: "open" }],
    [
      { is: "operation", operation: "0badcafe", kind: "upgrade", outcome: "succeeded" },
      "audit entry 7: the upgrade 0badcafe: succeeded",
      { is: "operation", outcome: "succeeded" },
    ],
  ];
  for (const [fields, line, facts] of entries) {
    assert.deepEqual(auditEvent(fields, 7), { kind: "audit-entry", audit: { entry: 7, ...facts } });
    assert.equal(auditLine(fields, 7), line);
    assert.doesNotMatch(JSON.stringify([auditEvent(fields, 7), auditLine(fields, 7)]), /secret/);
  }
});
