/** An entry of the audit log, as an event: what it says, without the arguments. Pure. docs/concepts/events.md */
import type { AuditFields } from "../layout/audit-log.ts";
import type { MachineEvent } from "../layout/events.ts";

/** @param n of the entry */
export function auditEvent(fields: AuditFields, n: number): MachineEvent {
  const about = { entry: n, is: fields.is };
  switch (fields.is) {
    case "begin": {
      const { name, role, via } = fields.by;
      return {
        kind: "audit-entry",
        audit: { ...about, call: fields.call, by: name, via, ...(role === undefined ? {} : { role }) },
      };
    }
    case "end": {
      const { of, outcome, code } = fields;
      return { kind: "audit-entry", audit: { ...about, of, outcome, ...(code === undefined ? {} : { code }) } };
    }
    case "operation":
      return { kind: "audit-entry", audit: { ...about, outcome: fields.outcome } };
    case "open":
    case "close":
    case "mended":
      return { kind: "audit-entry", audit: about };
  }
}

/** The same for people. */
export function auditLine(fields: AuditFields, n: number): string {
  switch (fields.is) {
    case "begin":
      return `audit entry ${n}: ${fields.by.name} asks for ${fields.call}`;
    case "end":
      return `audit entry ${n}: what entry ${fields.of} tells of is ${fields.outcome}`;
    case "operation":
      return `audit entry ${n}: the ${fields.kind} ${fields.operation}: ${fields.outcome}`;
    case "open":
    case "close":
    case "mended":
      return `audit entry ${n}: ${fields.is}`;
  }
}
