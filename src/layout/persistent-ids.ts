/** @portable Whose files lie on the persistent file system, and a move of them that is under way. docs/formats/persistent-ids.md */
import { DAMAGED, decodeCheckedLines, encodeCheckedLines, type CheckedLines } from "./checked-lines.ts";
import { PERSISTENT_FOLDER } from "./fstab.ts";

/** Of a user or group, as a file has it. Unsigned, 32 bits. */
export type Id = number;

/** Name → number. No two names have the same number. */
export type Owners = ReadonlyMap<string, Id>;
/** The numbers that files of the persistent file system were written with. */
export interface PersistentIds {
  readonly user: Owners;
  readonly group: Owners;
}
export const KINDS = ["user", "group"] as const;
export type Kind = (typeof KINDS)[number];

/** Files of whoever has the number `from` are to have the number `to`. */
export interface IdMove {
  readonly from: Id;
  readonly to: Id;
}
/** No two moves have the same `from`, nor the same `to`. */
export type IdMoves = Readonly<Record<Kind, readonly IdMove[]>>;
/** First everything goes to numbers that nobody has, then on to where it belongs: so names may swap their numbers. */
export type MovePhase = 1 | 2;
export interface MoveJournal {
  readonly phase: MovePhase;
  readonly moves: IdMoves;
  /** What holds after the moves. */
  readonly after: PersistentIds;
}

/** Only root gets there. */
export const IDS_FOLDER = `${PERSISTENT_FOLDER}/.petrify`;
export const IDS_PATH = `${IDS_FOLDER}/ids`;
export const MOVE_JOURNAL_PATH = `${IDS_FOLDER}/ids.moving`;

const IDS = { name: "petrify-ids", format: 1 } as const;
const JOURNAL = { name: "petrify-id-moves", format: 1 } as const;
const LARGEST_ID: Id = 2 ** 32 - 2; // the one after it means "unchanged" in chown(2)

export type Decoded<T> = { readonly is: "whole"; readonly value: T } | Exclude<CheckedLines, { readonly is: "whole" }>;

/** The file's text, Latin-1; equal for equal owners, in whatever order. */
export const encodeIds = (ids: PersistentIds): string => encodeCheckedLines(IDS.name, IDS.format, idLines(ids));

/** Never throws. */
export function decodeIds(text: string): Decoded<PersistentIds> {
  const decoded = decodeCheckedLines(IDS.name, IDS.format, text);
  if (decoded.is !== "whole") return decoded;
  const value = parseIds(decoded.lines);
  return value ? { is: "whole", value } : DAMAGED;
}

/** The file's text, Latin-1. */
export function encodeMoveJournal({ phase, moves, after }: MoveJournal): string {
  const moveLines = KINDS.flatMap((kind) => moves[kind].map(({ from, to }) => `move ${kind} ${from} ${to}`));
  return encodeCheckedLines(JOURNAL.name, JOURNAL.format, [`phase ${phase}`, ...moveLines, ...idLines(after)]);
}

/** Never throws. */
export function decodeMoveJournal(text: string): Decoded<MoveJournal> {
  const decoded = decodeCheckedLines(JOURNAL.name, JOURNAL.format, text);
  if (decoded.is !== "whole") return decoded;
  const [first = "", ...lines] = decoded.lines;
  const phase = /^phase ([12])$/.exec(first)?.[1];
  const moves = parseMoves(lines.filter((line) => line.startsWith("move ")));
  const after = parseIds(lines.filter((line) => !line.startsWith("move ")));
  return phase && moves && after ? { is: "whole", value: { phase: phase === "1" ? 1 : 2, moves, after } } : DAMAGED;
}

const idLines = (ids: PersistentIds): string[] =>
  KINDS.flatMap((kind) => [...ids[kind]].toSorted(([, a], [, b]) => a - b).map(([name, id]) => `${kind} ${id} ${name}`));

function parseIds(lines: readonly string[]): PersistentIds | undefined {
  const ids = { user: new Map<string, Id>(), group: new Map<string, Id>() };
  for (const line of lines) {
    const [, kind, digits, name] = /^(user|group) (\d{1,10}) ([^]+)$/.exec(line) ?? [];
    if (name === undefined || !isId(Number(digits)) || ids[kind as Kind].has(name)) return undefined;
    ids[kind as Kind].set(name, Number(digits));
  }
  return KINDS.every((kind) => areDifferent([...ids[kind].values()])) ? ids : undefined;
}

function parseMoves(lines: readonly string[]): IdMoves | undefined {
  const moves: Record<Kind, IdMove[]> = { user: [], group: [] };
  for (const line of lines) {
    const [, kind, from, to] = /^move (user|group) (\d{1,10}) (\d{1,10})$/.exec(line) ?? [];
    if (to === undefined || !isId(Number(from)) || !isId(Number(to))) return undefined;
    moves[kind as Kind].push({ from: Number(from), to: Number(to) });
  }
  const whole = KINDS.every((kind) =>
    (["from", "to"] as const).every((end) => areDifferent(moves[kind].map((move) => move[end]))),
  );
  return whole ? moves : undefined;
}

const isId = (id: number): boolean => id <= LARGEST_ID;
const areDifferent = (ids: readonly Id[]): boolean => new Set(ids).size === ids.length;
