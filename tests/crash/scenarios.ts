/** What is cut off: one entry an operation. What must hold in every state stands in verdict.ts; here is what must hold besides. */
import { MiB, type Bytes } from "../../src/core/units.ts";
import { decodeStoredTrust } from "../../src/agent/trust-store.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { decodeAgentState } from "../../src/layout/agent-state.ts";
import { persistentOverlay, PERSISTENT_FOLDER, RESET_REQUEST_PATH } from "../../src/layout/fstab.ts";
import type { BootRecord } from "../../src/layout/record.ts";
import type { RecordFacts } from "../../src/layout/record-change.ts";
import type { ResetOrder } from "../../src/layout/reset-order.ts";
import { SLOTS, type SlotName } from "../../src/layout/slots.ts";
import type { Tries } from "../../src/layout/tries.ts";
import { FOLDER, type OPERATIONS } from "./lab/operations.ts";
import type { MatrixImageName } from "./matrix-disk.ts";
import { MATRIX_SEGMENT } from "./matrix-release.ts";
import type { ReplayDisk } from "./replay-disk.ts";
import type { Ext4Partition } from "./views.ts";
import type { Seen, Watched } from "./verdict.ts";

/** One state, and when it is. */
export interface Moment {
  readonly seen: Seen;
  /** Marks that had been set by then, and those that were set later. */
  readonly past: readonly string[];
  readonly future: readonly string[];
  /** The disk before anything was written, and with everything that was. */
  readonly first: Seen;
  readonly last: Seen;
}
/** A sentence for each thing that does not hold. */
export type Claim = (moment: Moment) => readonly string[];

export interface Scenario {
  readonly name: string;
  /** What the lab does; `grub`: boots of the disk by way of GRUB, so many. */
  readonly run: keyof typeof OPERATIONS | { readonly boots: number };
  /** `factory`: as it was built; `settled`: after its first boot. */
  readonly disk: "factory" | "settled";
  /** More than the disk's own size. */
  readonly grows?: Bytes;
  readonly slots: Readonly<Record<SlotName, MatrixImageName | undefined>>;
  readonly states: Readonly<Record<SlotName, BootRecord["slots"]["a"]["state"]>>;
  readonly active: SlotName;
  readonly tries: Tries;
  /** What is booted; default slot a. */
  readonly boots?: "recovery";
  /** Is on the disk. */
  readonly order?: ResetOrder;
  readonly watched?: Watched;
  /** File systems that may be anything in some states: its claims say in which. */
  readonly remade?: readonly Ext4Partition[];
  readonly claims: readonly Claim[];
  /** What the lab does with what a cut has left, in which states, by the marks so far and what is there; and what has to be then. */
  readonly again?: {
    readonly run: keyof typeof OPERATIONS;
    readonly when: (past: readonly string[], disk: Pick<ReplayDisk, "held" | "begins">) => boolean;
    /** The power is cut once more, at every moment of it. */
    readonly cuts?: true;
    readonly claims: readonly Claim[];
  };
}

const STATE_FILES = ["/petrify/agent/state-1", "/petrify/agent/state-2"] as const;
const OEM: Watched = { oem: STATE_FILES };

// --- claims ----------------------------------------------------------------------------------------------------------------

const count = (marks: readonly string[], text: string): number => marks.filter((mark) => mark === text).length;
const textsOf = (marks: readonly string[], prefix: string): string[] =>
  marks.flatMap((mark) => (mark.startsWith(prefix) ? [mark.slice(prefix.length)] : []));
const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** An image that has proved itself stays whole, proven and bootable. */
const keeps =
  (slot: SlotName): Claim =>
  ({ seen, first }) => [
    ...(seen.held[slot].whole === first.held[slot].whole
      ? []
      : [`slot ${slot} does not hold ${first.held[slot].whole} any more`]),
    ...(seen.record?.slots[slot].state === "proven" ? [] : [`slot ${slot} is not proven any more`]),
  ];

/** Both halves are as the last change left them, or as the one that had begun is to leave them; the record goes first. */
const recordIsOldOrNew: Claim = ({ seen: { record, tries }, past, future, first, last: end }) => {
  const changes = textsOf(past, "done record ").map((text) => JSON.parse(text) as RecordFacts);
  const last = changes.at(-1);
  const old = last?.found.is === "whole" ? { record: last.found.record, tries: last.tries } : first;
  const isUnderWay = count(past, "begin record") > changes.length;
  const upcoming = isUnderWay ? textsOf(future, "done record ")[0] : undefined;
  const after = upcoming === undefined ? undefined : (JSON.parse(upcoming) as RecordFacts);
  // One that has not returned by the end of the log comes to what there is in the end.
  const arrived = isUnderWay ? end : old;
  const next = after?.found.is === "whole" ? { record: after.found.record, tries: after.tries } : arrived;
  if (!same(record, old.record) && !same(record, next.record)) return ["the record is neither the old nor the new one"];
  if (!same(tries, old.tries) && !same(tries, next.tries)) return ["the tries are neither the old nor the new ones"];
  return same(record, next.record) || same(tries, old.tries) ? [] : ["the tries were changed before the record"];
};

const newestState = ({ ext4 }: Seen): number | undefined =>
  STATE_FILES.map((file) => ext4.oem.files.get(file))
    .map((bytes) => (bytes ? decodeAgentState(bytes) : undefined))
    .flatMap((state) => (state?.is === "whole" ? [state.sequence] : []))
    .toSorted((a, b) => a - b)
    .at(-1);

/** What the agent was told is stored is there; nothing is lost because something newer was on its way. */
const stateIsKept: Claim = ({ seen, past, first }) => {
  const before = newestState(first) ?? 0;
  const found = newestState(seen) ?? 0;
  const stored = before + count(past, "done state");
  return found >= stored ? [] : [`the agent's state is number ${found}, and number ${stored} was stored`];
};

/** A seed that was replaced does not come back. */
const seedIsNotOld: Claim = ({ seen: { seed }, past, first }) => {
  if (seed === undefined) return [];
  const written = past.findIndex((mark) => mark === `begin seed ${seed}`);
  if (written < 0)
    return seed === first.seed && textsOf(past, "done seed ").length === 0 ? [] : ["a seed that was replaced is there again"];
  const done = past.indexOf(`done seed ${seed}`);
  const later = done < 0 ? [] : textsOf(past.slice(done), "begin seed ");
  return later.some((other) => past.includes(`done seed ${other}`)) ? ["a seed that was replaced is there again"] : [];
};

const clockDoesNotGoBack: Claim = ({ seen: { clock = 0 }, past, first }) => {
  const stored = Math.max(first.clock ?? 0, ...textsOf(past, "done clock ").map(Number));
  return clock >= stored ? [] : [`the clock is ${clock}, and ${stored} was stored`];
};

const identityStays: Claim = ({ seen: { identity }, first }) =>
  identity?.machineId === first.identity?.machineId ? [] : ["the machine has another identity"];

/** An identity is stored last: a machine that has one has the ids that go with it, for good. */
const identityIsMadeOnce: Claim = ({ seen: { identity, table }, past, last }) => {
  if (!identity) return past.includes("begun") ? ["the machine has run, and has no identity"] : [];
  return [
    ...(identity.machineId === last.identity?.machineId ? [] : ["the machine has another identity than later"]),
    ...(same(guidsOf(table), guidsOf(last.table)) ? [] : ["the machine has an identity, and not the ids of its disk"]),
  ];
};
const guidsOf = (table: Seen["table"]): readonly string[] | undefined =>
  table && [table.diskGuid, ...table.partitions.map(({ guid }) => guid)];

const growthStays: Claim = ({ seen: { table }, past, last }) => {
  const size = (found: Seen["table"]): number => found?.partitions.find(({ name }) => name === "persistent")?.size ?? 0;
  return past.includes("begun") && size(table) !== size(last.table) ? ["the persistent partition has not grown"] : [];
};

/** The current file of the recovery partition is a whole image. */
const recoveryIsWhole: Claim = ({ seen: { record, held } }) =>
  record && held[`recovery${record.recovery}`].whole === undefined
    ? [`recovery ${record.recovery} is current, and not whole`]
    : [];

/** What is so once everything has been carried out: a scenario that did nothing would hold everything else. */
const ends =
  (facts: (seen: Seen) => readonly (readonly [found: unknown, expected: unknown])[]): Claim =>
  ({ last }) =>
    facts(last).flatMap(([found, expected]) =>
      found === expected ? [] : [`in the end there is ${JSON.stringify(found)} where ${JSON.stringify(expected)} is to be`],
    );

// --- an upgrade by a delta ---------------------------------------------------------------------------------------------------

const TRUST_FILES = ["/petrify/agent/trust-1", "/petrify/agent/trust-2"] as const;
/** Of each copy; nothing where that is not whole. */
const epochsOfTrust = ({ ext4 }: Seen): readonly (number | undefined)[] =>
  TRUST_FILES.map((file) => {
    const bytes = ext4.oem.files.get(file);
    const found = bytes && decodeStoredTrust(bytes, sha256);
    return found?.is === "whole" ? found.value.epoch : undefined;
  });

/** What was trusted last still is; and an image may boot only after the keys that came with it are kept, in both copies. */
const trustComesFirst: Claim = ({ seen, past, first }) => {
  const latest = (epochs: readonly (number | undefined)[]): number => Math.max(0, ...epochs.map((epoch) => epoch ?? 0));
  const kept = latest([...epochsOfTrust(first), ...textsOf(past, "done trust ").map(Number)]);
  const found = epochsOfTrust(seen);
  const isWaiting = seen.record?.slots.b.state === "trial";
  return [
    ...(latest(found) >= kept ? [] : [`the trusted keys are not number ${kept} any more`]),
    ...(isWaiting && found.some((epoch) => epoch !== 2)
      ? ["an image may boot, and the keys that it brings are not kept twice"]
      : []),
  ];
};

const comesByDelta: Claim = ({ past, future }) => {
  const ways = textsOf([...past, ...future], "way ");
  return ways.length === 1 && ways[0]!.startsWith("a delta from the running image") ? [] : [`it came by ${ways.join("; ")}`];
};

const upgradeEnds: Claim = ends((seen) => [
  [seen.record?.active, "b"],
  [seen.record?.slots.b.state, "trial"],
  [seen.tries?.b, 3],
  [seen.held.b.whole, "new"],
]);

// --- the reset of a path ---------------------------------------------------------------------------------------------------

const UPPER = persistentOverlay(FOLDER).upper.slice(PERSISTENT_FOLDER.length);
const DISCARDED = persistentOverlay(FOLDER).discarded.slice(PERSISTENT_FOLDER.length);
const RESET = ["one", "two", "deep/three"].map((name) => `${UPPER}/app/${name}`);
const KEPT = `${UPPER}/kept`;
const REQUEST = RESET_REQUEST_PATH.slice(PERSISTENT_FOLDER.length);

const resetIsWhole: Claim = ({ seen, past }) => {
  if (!past.includes("written")) return [];
  const { files } = seen.ext4.persistent;
  const there = RESET.filter((path) => files.get(path) !== undefined).length;
  const request = files.get(REQUEST);
  return [
    ...(there === 0 || there === RESET.length ? [] : [`the folder that is reset holds ${there} of ${RESET.length} files`]),
    ...(files.get(KEPT)?.toString() === "kept".repeat(900) ? [] : ["a file beside the folder that is reset is lost"]),
    ...(past.includes("requested") && !past.includes("step reset") && !request ? ["the request is lost"] : []),
    ...(past.includes("requested") && there > 0 && !request ? ["the request is gone, and nothing was reset"] : []),
    ...(past.includes("reset") && there > 0 ? ["what was reset is there again"] : []),
    ...(past.includes("reset") && request ? ["the request would be carried out again"] : []),
  ];
};

// --- the reset of a machine ---------------------------------------------------------------------------------------------

const SECRET = "/secret";
const isSound = ({ ext4 }: Seen, partition: Ext4Partition): boolean => ext4[partition].mends && ext4[partition].clean;
const isClosed = ({ record }: Seen): boolean =>
  record !== undefined && SLOTS.every((slot) => record.slots[slot].state === "empty");
const hasOldState = ({ ext4 }: Seen): boolean => STATE_FILES.some((file) => ext4.oem.files.get(file) !== undefined);
const hasSecret = ({ ext4 }: Seen): boolean => ext4.persistent.files.get(SECRET) !== undefined;

/** Until the order says that all is written, it is done from the start; from then on nothing of before is there, and both slots are recovery's image. */
const resetGoesOn: Claim = ({ seen, first, past }) => {
  const { order, record, held, decision, identity } = seen;
  const begun = past.includes("written");
  const isOrdered = order.is === "order" && order.order.at === "ordered";
  const said = (when: boolean, text: string): readonly string[] => (when ? [text] : []);
  if (isOrdered) {
    const isTouched =
      !isSound(seen, "oem") || !isSound(seen, "persistent") || !hasOldState(seen) || (begun && !hasSecret(seen)) || !identity;
    return [
      ...said(isTouched && !isClosed(seen), "data is wiped, and slots would boot"),
      ...said(isClosed(seen) && decision.boots !== "recovery1", "both slots are closed, and it is not recovery that boots"),
      ...said(!isClosed(seen) && !same(record, first.record), "the slots are open, and not what they were"),
    ];
  }
  return [
    ...said(order.is !== "order", "the order is lost"),
    ...(["oem", "persistent"] as const).flatMap((name) =>
      said(
        !isSound(seen, name),
        `all is written by the order, and the ${name} file system is not whole: ${seen.ext4[name].said}`,
      ),
    ),
    ...said(hasSecret(seen), "all is written by the order, and data of before is there"),
    ...said(hasOldState(seen), "all is written by the order, and what the agent remembered is there"),
    ...said(identity !== undefined, "all is written by the order, and the machine knows who it was"),
    ...SLOTS.flatMap((slot) => said(held[slot].whole !== "old", `all is written by the order, and slot ${slot} is not whole`)),
  ];
};

const resetEnds: Claim = ends((seen) => [
  [seen.order.is === "order" && seen.order.order.at, "ended"],
  [seen.record?.active, "a"],
  [seen.record?.slots.a.state, "trial"],
  [seen.record?.slots.b.state, "trial"],
  [seen.tries?.a, 3],
  [seen.held.a.whole, "old"],
  [seen.held.b.whole, "old"],
  [hasSecret(seen), false],
]);

/** Stored first: whoever asks recovery to boot has something for it to do; and a slot changes nothing itself. */
const orderComesFirst: Claim = ({ seen, first, past }) => [
  ...(seen.tries?.next === "recovery" && seen.order.is !== "order" ? ["recovery is to boot, and there is no order"] : []),
  ...(past.includes("ordered") && seen.order.is !== "order" ? ["the order is lost"] : []),
  ...(same(seen.record, first.record) ? [] : ["the record has changed before recovery runs"]),
];

// --- the table -------------------------------------------------------------------------------------------------------------

const AGENT: readonly Claim[] = [recordIsOldOrNew, stateIsKept, seedIsNotOld, clockDoesNotGoBack];
const RUNNING = { slots: { a: "old", b: "new" }, active: "a", disk: "settled", watched: OEM } as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "first boot",
    run: "first boot",
    disk: "factory",
    grows: 64 * MiB,
    slots: { a: "old", b: undefined },
    states: { a: "trial", b: "empty" },
    active: "a",
    tries: { a: 2, b: 0 }, // the loader has taken one
    watched: OEM,
    claims: [...AGENT, identityIsMadeOnce, growthStays],
  },
  {
    ...RUNNING,
    name: "agent state, tries restored",
    run: "agent state",
    states: { a: "proven", b: "proven" },
    tries: { a: 4, b: 6 },
    claims: [...AGENT, identityStays, keeps("a"), keeps("b")],
  },
  {
    ...RUNNING,
    name: "health commit",
    run: "health commit",
    states: { a: "trial", b: "proven" },
    tries: { a: 2, b: 5 },
    claims: [...AGENT, identityStays, keeps("b")],
  },
  {
    ...RUNNING,
    name: "mark bad",
    run: "mark bad",
    states: { a: "proven", b: "proven" },
    active: "b",
    tries: { a: 6, b: 6 },
    claims: [...AGENT, identityStays, keeps("a")],
  },
  {
    ...RUNNING,
    name: "upgrade",
    run: "upgrade",
    slots: { a: "old", b: "newer" },
    states: { a: "proven", b: "proven" },
    tries: { a: 6, b: 6 },
    claims: [...AGENT, identityStays, keeps("a"), upgradeEnds],
  },
  {
    ...RUNNING,
    name: "upgrade by a delta",
    run: "upgrade by a delta",
    slots: { a: "old", b: "newer" },
    states: { a: "proven", b: "proven" },
    tries: { a: 6, b: 6 },
    watched: { oem: [...STATE_FILES, ...TRUST_FILES] },
    claims: [...AGENT, identityStays, keeps("a"), trustComesFirst, comesByDelta, upgradeEnds],
    again: {
      run: "upgrade by a delta again",
      // Some segments are in place, and not all.
      when: (past, { held, begins }) =>
        past.includes("step writing slot b") &&
        !past.includes("step verifying slot b") &&
        begins("b", "new") >= MATRIX_SEGMENT &&
        held("b").whole === undefined,
      cuts: true,
      claims: [...AGENT, identityStays, keeps("a"), trustComesFirst, upgradeEnds],
    },
  },
  {
    ...RUNNING,
    name: "rollback",
    run: "rollback",
    states: { a: "proven", b: "proven" },
    tries: { a: 6, b: 6 },
    claims: [
      ...AGENT,
      identityStays,
      keeps("a"),
      keeps("b"),
      ends((seen) => [
        [seen.record?.active, "b"],
        [seen.tries?.b, 6],
      ]),
    ],
  },
  {
    ...RUNNING,
    name: "recovery upgrade",
    run: "recovery upgrade",
    states: { a: "proven", b: "proven" },
    tries: { a: 6, b: 6 },
    claims: [
      ...AGENT,
      identityStays,
      keeps("a"),
      keeps("b"),
      recoveryIsWhole,
      ends((seen) => [
        [seen.record?.recovery, 2],
        [seen.held.recovery2.whole, "new"],
        [seen.held.recovery1.whole, "old"],
      ]),
    ],
  },
  {
    ...RUNNING,
    name: "reset of a path",
    run: "reset of a path",
    states: { a: "proven", b: "proven" },
    tries: { a: 6, b: 6 },
    watched: { persistent: [...RESET, KEPT, REQUEST, `${DISCARDED}/0/one`] },
    claims: [identityStays, keeps("a"), keeps("b"), resetIsWhole],
  },
  {
    ...RUNNING,
    name: "order to reset",
    run: "order to reset",
    states: { a: "proven", b: "proven" },
    tries: { a: 6, b: 6 },
    claims: [
      ...AGENT,
      identityStays,
      keeps("a"),
      keeps("b"),
      orderComesFirst,
      ends((seen) => [
        [seen.order.is, "order"],
        [seen.tries?.next, "recovery"],
      ]),
    ],
  },
  {
    ...RUNNING,
    name: "reset",
    run: "reset",
    boots: "recovery",
    slots: { a: "newer", b: "new" }, // and recovery has the old one
    states: { a: "proven", b: "proven" },
    tries: { a: 6, b: 6 },
    order: {
      ...{ id: "0badcafe", kind: "reset", at: "ordered", keep: [], erase: false, after: "reboot", cause: "asked for by root" },
      ...{ askedAt: 1_790_500_000, attempts: 0, from: { slot: "a", version: "old" } },
    },
    watched: { ...OEM, persistent: [SECRET] },
    remade: ["oem", "persistent"],
    claims: [recordIsOldOrNew, recoveryIsWhole, resetGoesOn, resetEnds],
    again: {
      run: "reset again",
      // Slots are closed, and not open again: recovery is what boots.
      when: (past) =>
        past.includes("step making the persistent partition anew") && !past.some((mark) => mark === "begin order written"),
      claims: [resetGoesOn, recoveryIsWhole, resetEnds],
    },
  },
  {
    ...RUNNING,
    name: "fallback",
    run: { boots: 5 },
    active: "b",
    states: { a: "proven", b: "trial" },
    tries: { a: 6, b: 3 },
    claims: [identityStays, keeps("a")],
  },
];
