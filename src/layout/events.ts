/** @portable What happens on a machine, as its journal keeps it: fields beside the message, which `journalctl` can ask for. docs/concepts/events.md */
import { readJournalLine } from "./journal-entry.ts";

/** What an event is about, and what there is to know of it; each of them is a field of the journal: `PETRIFY_ALARM_CODE`. */
const ABOUT = {
  boot: ["slot", "version", "ending", "reason"],
  slot: ["name", "version", "reason"],
  health: ["state", "reason"],
  alarm: ["code"],
  operation: ["id", "kind", "step", "outcome", "reason", "version"],
  config: ["generation", "mode", "reason", "differences"],
  certificate: ["until"],
  update: ["step", "version", "because", "reason"],
  unit: ["name", "result"],
  audit: ["entry", "is", "of", "call", "by", "role", "via", "outcome", "code"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Of those that are no words: what root has written by hand may be anything. */
const FORMS: Readonly<Record<string, RegExp>> = {
  ...{ generation: /^\d{1,9}$/, differences: /^\d{1,9}$/, entry: /^\d{1,15}$/, of: /^\d{1,15}$/ },
  until: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/,
};

/** By kind, what it is about. */
const KINDS = {
  "boot-started": "boot",
  "boot-failed": "boot",
  "slot-proven": "slot",
  "slot-fell-back": "slot",
  "health-changed": "health",
  "alarm-raised": "alarm",
  "alarm-cleared": "alarm",
  "operation-began": "operation",
  "operation-step": "operation",
  "operation-ended": "operation",
  "config-applied": "config",
  "config-confirmed": "config",
  "config-given-back": "config",
  "config-drifted": "config",
  "config-mended": "config",
  "certificate-replaced": "certificate",
  "update-found": "update",
  "update-began": "update",
  "update-done": "update",
  "update-failed": "update",
  "update-waits": "update",
  "unit-failed": "unit",
  "audit-entry": "audit",
} as const satisfies Readonly<Record<string, keyof typeof ABOUT>>;

export type EventKind = keyof typeof KINDS;
export const EVENT_KINDS = Object.keys(KINDS) as readonly EventKind[];

type About = keyof typeof ABOUT;
/** Numbers are whole. */
export type EventFacts<Of extends About = About> = Readonly<Partial<Record<(typeof ABOUT)[Of][number], string | number>>>;
/** An event as it is told: its kind, and what it is about. */
export type MachineEvent = {
  [Kind in Exclude<EventKind, "unit-failed">]: { readonly kind: Kind } & {
    readonly [Of in (typeof KINDS)[Kind]]: EventFacts<Of>;
  };
}[Exclude<EventKind, "unit-failed">];

const FIELD = "PETRIFY_EVENT";
const fieldOf = (about: About, fact: string): string => `PETRIFY_${about}_${fact}`.toUpperCase();

/** What goes into the journal beside the message. */
export function eventFields(event: MachineEvent): ReadonlyMap<string, string> {
  const about = KINDS[event.kind];
  const facts = (event as unknown as Readonly<Record<About, Readonly<Record<string, string | number | undefined>>>>)[about];
  const told = ABOUT[about].flatMap((fact): [string, string][] => {
    const value = facts[fact];
    return value === undefined ? [] : [[fieldOf(about, fact), String(value)]];
  });
  return new Map([[FIELD, event.kind], ...told]);
}

/** Of an entry by which systemd says that a unit has failed. Source: systemd, src/systemd/sd-messages.h, SD_MESSAGE_UNIT_FAILURE_RESULT */
const UNIT_FAILED = "d9b373ed55a64feb8242e02dbe79a49c";

/** What is asked for besides what every entry has. */
export const EVENT_FIELDS: readonly string[] = [
  FIELD,
  ...Object.entries(ABOUT).flatMap(([about, facts]) => facts.map((fact) => fieldOf(about as About, fact))),
  ...["MESSAGE_ID", "UNIT_RESULT"],
];

/**
 * Matches of journalctl for events of these kinds. Anybody on a machine may write such fields, so they count only where the kernel says that root has
 * written them. Source: journalctl(1), systemd.journal-fields(7) (trusted fields)
 */
export function eventMatches(kinds: readonly EventKind[]): readonly string[] {
  const own = kinds.filter((kind) => kind !== "unit-failed");
  const groups = [
    ...(own.length > 0 ? [["_UID=0", ...own.map((kind) => `${FIELD}=${kind}`)]] : []),
    ...(own.length < kinds.length ? [["_PID=1", "_UID=0", `MESSAGE_ID=${UNIT_FAILED}`]] : []),
  ];
  return groups.flatMap((group, index) => (index === 0 ? group : ["+", ...group]));
}

export interface ReadEvent {
  readonly kind: EventKind;
  readonly about: About;
  /** By name; what is not known is not there. */
  readonly facts: EventFacts;
}

/** @param line of journalctl's JSON @returns nothing for what is no event that this knows. Never throws. */
export function parseEvent(line: string): ReadEvent | undefined {
  const field = readJournalLine(line);
  if (!field) return undefined;
  if (field("MESSAGE_ID") === UNIT_FAILED) {
    const [name, result] = [field("UNIT"), field("UNIT_RESULT")];
    return name === undefined ? undefined : { kind: "unit-failed", about: "unit", facts: { name, ...(result && { result }) } };
  }
  const kind = EVENT_KINDS.find((one) => one === field(FIELD));
  if (!kind) return undefined;
  const about = KINDS[kind];
  const facts = ABOUT[about].flatMap((fact): [string, string][] => {
    const value = field(fieldOf(about, fact));
    return value === undefined || !(FORMS[fact] ?? /^/).test(value) ? [] : [[fact, value]];
  });
  return { kind, about, facts: Object.fromEntries(facts) };
}
