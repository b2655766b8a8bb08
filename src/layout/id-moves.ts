/** @portable Which owners of persistent files have to change when another image gives names other numbers. docs/concepts/persistence.md */
import { crc32 } from "./crc32.ts";
import { latin1Bytes } from "./env-block.ts";
import {
  KINDS,
  type Id,
  type IdMove,
  type IdMoves,
  type Kind,
  type MovePhase,
  type Owners,
  type PersistentIds,
} from "./persistent-ids.ts";

/** An entry of passwd(5) or group(5). */
interface Account {
  readonly name: string;
  readonly id: Id;
}
export type Accounts = Readonly<Record<Kind, readonly Account[]>>;

/** What to do, and what holds when it is done. */
export interface IdPlan {
  readonly moves: IdMoves;
  readonly after: PersistentIds;
}

/**
 * Numbers from here on are petrify's own; a name that has one in an image is passed over. Below 2^31 there is room that nobody else uses.
 * Source: systemd, docs/UIDS-GIDS.md
 */
export const FIRST_PARKED: Id = 2_000_000_000;
/** Numbers on the way: the n-th move's is n more. */
export const FIRST_PASSING: Id = 2_100_000_000;

/**
 * The names of an image, without those whose files never move: root's, and lines for other sources of accounts (`+name`, `#…`).
 *
 * @param passwd text of passwd(5), Latin-1 @param group text of group(5)
 */
export const accountsOf = (passwd: string, group: string): Accounts => ({ user: entries(passwd), group: entries(group) });

function entries(text: string): Account[] {
  const found = new Map<string, Account>();
  for (const line of text.split("\n")) {
    const [name = "", , id = ""] = line.split(":");
    if (!/^[^#+-]/.test(name) || !/^\d{1,10}$/.test(id) || found.has(name)) continue;
    if (Number(id) > 0 && Number(id) < FIRST_PARKED) found.set(name, { name, id: Number(id) });
  }
  return [...found.values()];
}

/** What a persistent file system holds that only this image has written to. */
export const firstIds = (image: Accounts): PersistentIds => both((kind) => owning(new Map(), image[kind]));

/**
 * What has to move so that files keep belonging to the same name.
 *
 * - A name that the image does not have keeps its number until the image gives that to somebody else; then its files are parked, until the name is back.
 * - Nothing is merged: files with a number that nobody had are put aside when a name's files come to have it, and put back afterwards.
 */
export function planIdMoves(before: PersistentIds, image: Accounts): IdPlan {
  const plans = both((kind) => plan(before[kind], owning(before[kind], image[kind])));
  return { moves: both((kind) => plans[kind].moves), after: both((kind) => plans[kind].after) };
}

export const isNothing = (moves: IdMoves): boolean => KINDS.every((kind) => moves[kind].length === 0);

/** What a phase does to each number, as chown needs it. */
export function stepsOf(moves: IdMoves, phase: MovePhase): Readonly<Record<Kind, ReadonlyMap<Id, Id>>> {
  return both(
    (kind) => new Map(moves[kind].map(({ from, to }, n) => (phase === 1 ? [from, FIRST_PASSING + n] : [FIRST_PASSING + n, to]))),
  );
}

/** Of names that share a number, files belong to the one that had them before, else to the first one, as for getpwuid(3). */
function owning(before: Owners, accounts: readonly Account[]): Map<string, Id> {
  const owner = new Map<Id, string>();
  for (const { name, id } of accounts) {
    const other = owner.get(id);
    if (other === undefined || (before.has(name) && !before.has(other))) owner.set(id, name);
  }
  return new Map([...owner].map(([id, name]) => [name, id]));
}

function plan(before: Owners, image: Owners): { moves: readonly IdMove[]; after: Owners } {
  const after = new Map(image);
  const taken = new Set(image.values());
  const used = new Set([...taken, ...before.values()]);
  const place = (name: string, id: Id): void => {
    const own = taken.has(id) ? parkedId(name, used) : id;
    used.add(own);
    taken.add(own);
    after.set(name, own);
  };
  const gone = [...before].filter(([name]) => !image.has(name));
  for (const [name, id] of gone) if (nobodysNumber(name) === undefined) place(name, id);

  const moves: IdMove[] = [];
  const move = (from: Id, to: Id): void => {
    if (from !== to) moves.push({ from, to });
  };
  for (const [name, from] of gone) {
    const number = nobodysNumber(name);
    if (number === undefined) continue;
    if (taken.has(number)) place(name, from);
    else move(from, number); // and is nobody's again
  }
  for (const [name, from] of before) if (after.has(name)) move(from, after.get(name)!);
  const had = new Set(before.values());
  for (const { to } of [...moves]) {
    if (to >= FIRST_PARKED || had.has(to) || before.has(nobodys(to))) continue;
    place(nobodys(to), to);
    move(to, after.get(nobodys(to))!);
  }
  return { moves, after };
}

/** The name in the record of whoever has files with a number that no image gave to anybody. No account's name starts like this. */
const nobodys = (id: Id): string => `#${id}`;
const nobodysNumber = (name: string): Id | undefined => (/^#\d+$/.test(name) ? Number(name.slice(1)) : undefined);

/** Made from the name, so that two names do not come to share one even where the record was lost in between. */
function parkedId(name: string, used: ReadonlySet<Id>): Id {
  const room = FIRST_PASSING - FIRST_PARKED;
  for (let n = crc32(latin1Bytes(name)) % room; ; n = (n + 1) % room) if (!used.has(FIRST_PARKED + n)) return FIRST_PARKED + n;
}

const both = <T>(make: (kind: Kind) => T): Record<Kind, T> => ({ user: make("user"), group: make("group") });
