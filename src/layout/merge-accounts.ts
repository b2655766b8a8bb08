/**
 * @portable The image's users and groups with those of the machine config. It always begins with the image's own files, so that nothing is left of
 * a config that is no more. docs/concepts/persistence.md
 *
 * Texts are Latin-1: a character is a byte. Formats: passwd(5), group(5), shadow(5), gshadow(5), subuid(5).
 */
import type { CompiledAccounts, CompiledUser } from "./compiled-config.ts";
import { FIRST_PARKED } from "./id-moves.ts";
import { isNormalPath } from "./persistent-folder.ts";
import type { Id, Kind, Owners, PersistentIds } from "./persistent-ids.ts";

/** Names of the files in `/etc`. */
export const ACCOUNT_FILES = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"] as const;
export type AccountFile = (typeof ACCOUNT_FILES)[number];
/** Texts by name; what the image does not have is missing, and only passwd, group and shadow are made then. */
export type AccountTexts = { readonly [name in AccountFile]?: string };

export interface MergedAccounts {
  readonly texts: AccountTexts;
  /** Numbers of the users and groups that the image does not have. */
  readonly ids: PersistentIds;
  /** Folders of users that are to have one. */
  readonly homes: readonly Home[];
  /** What could not be as it was asked for, a sentence each. */
  readonly notes: readonly string[];
}
export interface Home {
  readonly path: string;
  readonly uid: Id;
  readonly gid: Id;
}

/** Source: login.defs(5), UID_MIN and SYS_UID_MAX of every distribution; systemd, docs/UIDS-GIDS.md */
const PEOPLE = { first: 1000, last: 59_999 } as const;
const SYSTEM = { first: 999, last: 100 } as const;
/** -1 of 16 bits. */
const NEVER: Id = 65_535;
/** Numbers that a user's containers may use: as many for each, from here on. Source: login.defs(5), SUB_UID_MIN and SUB_UID_COUNT */
const SUBORDINATE = { first: 100_000, count: 65_536 } as const;
const SHELL = "/bin/sh";

type Line = string[];
/** Kept as they are: comments, blanks, entries for other sources of accounts. */
const linesOf = (text: string): Line[] => {
  const lines = text.split("\n").map((line) => line.split(":"));
  return lines.at(-1)?.join(":") === "" ? lines.slice(0, -1) : lines;
};
const textOf = (lines: readonly Line[]): string => lines.map((line) => `${line.join(":")}\n`).join("");
const find = (lines: readonly Line[], name: string): Line | undefined => lines.find(([other]) => other === name);
const isId = (text: string | undefined): text is string => text !== undefined && /^\d{1,10}$/.test(text);
const idsOf = (lines: readonly Line[], field: number): Id[] =>
  lines.flatMap((line) => (isId(line[field]) ? [Number(line[field])] : []));
/** Before the entries for other sources (`+…`), which end what is looked at. */
function add(lines: Line[], line: Line): void {
  const end = lines.findIndex(([name]) => name!.startsWith("+"));
  lines.splice(end < 0 ? lines.length : end, 0, line);
}

/** What is being made. */
interface Merge {
  readonly lines: { readonly [name in "passwd" | "group" | "shadow"]: Line[] } & { readonly gshadow: Line[] | undefined };
  /** Numbers that somebody has. */
  readonly taken: Readonly<Record<Kind, Set<Id>>>;
  /** Numbers that are meant for a name, asked for or remembered. */
  readonly reserved: Readonly<Record<Kind, Map<Id, string>>>;
  readonly remembered: PersistentIds;
  readonly ids: Readonly<Record<Kind, Map<string, Id>>>;
  readonly homes: Home[];
  readonly notes: string[];
}

/**
 * Users and groups of the image keep their numbers and, but for what is configured, their lines. Never throws: what cannot be as it was asked for
 * is as near to it as it can be, and noted.
 *
 * @param remembered numbers that names of machine configs had before; files of the machine carry them
 */
export function mergeAccounts(image: AccountTexts, accounts: CompiledAccounts, remembered: PersistentIds): MergedAccounts {
  const merge = beginMerge(image, accounts, remembered);
  const { lines, ids, homes, notes } = merge;
  for (const { name, gid, members } of accounts.groups) {
    haveGroup(merge, name, { asked: gid, isSystem: false });
    for (const member of members) join(merge, member, name);
  }
  const added = accounts.users.filter((user) => haveUser(merge, user) && !user.isSystem).map(({ name }) => name);
  return {
    texts: {
      ...{ passwd: textOf(lines.passwd), group: textOf(lines.group), shadow: textOf(lines.shadow) },
      ...(lines.gshadow ? { gshadow: textOf(lines.gshadow) } : {}),
      ...(image.subuid === undefined ? {} : { subuid: withRanges(image.subuid, added, ids.user) }),
      ...(image.subgid === undefined ? {} : { subgid: withRanges(image.subgid, added, ids.user) }),
    },
    ids,
    homes,
    notes,
  };
}

function beginMerge(image: AccountTexts, accounts: CompiledAccounts, remembered: PersistentIds): Merge {
  const passwd = linesOf(image.passwd ?? "");
  const group = linesOf(image.group ?? "");
  const reserve = (kind: Kind, asked: readonly { readonly name: string; readonly id: Id | undefined }[]): Map<Id, string> => {
    const ids = new Map([...remembered[kind]].map(([name, id]) => [id, name]));
    for (const { name, id } of asked) if (id !== undefined) ids.set(id, name);
    return ids;
  };
  return {
    lines: {
      ...{ passwd, group, shadow: linesOf(image.shadow ?? "") },
      gshadow: image.gshadow === undefined ? undefined : linesOf(image.gshadow),
    },
    taken: { user: new Set(idsOf(passwd, 2)), group: new Set([...idsOf(group, 2), ...idsOf(passwd, 3)]) },
    reserved: {
      user: reserve(
        "user",
        accounts.users.map(({ name, uid }) => ({ name, id: uid })),
      ),
      group: reserve(
        "group",
        accounts.groups.map(({ name, gid }) => ({ name, id: gid })),
      ),
    },
    ...{ remembered, ids: { user: new Map(), group: new Map() }, homes: [], notes: [] },
  };
}

interface Wish {
  readonly asked: Id | undefined;
  readonly isSystem: boolean;
  /** Would be nice. */
  readonly liked?: Id;
}

/** Never one that somebody has; one that is meant for another name only where it is asked for. */
function chooseId(merge: Merge, kind: Kind, name: string, { asked, liked, isSystem }: Wish): Id {
  const taken = merge.taken[kind];
  const before = merge.remembered[kind].get(name);
  const isFree = (id: Id): boolean => !taken.has(id) && (merge.reserved[kind].get(id) ?? name) === name;
  const isOurs = (id: Id): boolean => id > 0 && id < FIRST_PARKED && id !== NEVER;
  if (asked !== undefined) {
    if (isOurs(asked) && !taken.has(asked)) return asked;
    merge.notes.push(
      `${kind} ${name} cannot have the number ${asked}: ${isOurs(asked) ? "another has it" : "nobody may have it"}`,
    );
  }
  if (before !== undefined && isOurs(before) && !taken.has(before)) return before;
  if (liked !== undefined && isOurs(liked) && isFree(liked)) return liked;
  if (isSystem) for (let id: Id = SYSTEM.first; id >= SYSTEM.last; id--) if (isFree(id)) return id;
  for (let id: Id = PEOPLE.first; id <= PEOPLE.last; id++) if (isFree(id)) return id;
  for (let id: Id = NEVER + 1; ; id++) if (isFree(id)) return id;
}

/** @returns its number */
function haveGroup(merge: Merge, name: string, wish: Wish): Id {
  const { group, gshadow } = merge.lines;
  const line = find(group, name);
  if (line && isId(line[2])) {
    const gid = Number(line[2]);
    if (wish.asked !== undefined && wish.asked !== gid)
      merge.notes.push(`group ${name} keeps the number ${gid} that the image gives it, not ${wish.asked}`);
    return gid;
  }
  const gid = chooseId(merge, "group", name, wish);
  merge.taken.group.add(gid);
  merge.ids.group.set(name, gid);
  if (line) line.splice(0, line.length, name, "x", String(gid), line[3] ?? "");
  else add(group, [name, "x", String(gid), ""]);
  if (gshadow && !find(gshadow, name)) add(gshadow, [name, "!", "", ""]);
  return gid;
}

function join({ lines }: Merge, user: string, group: string): void {
  for (const list of [lines.group, lines.gshadow ?? []]) {
    const line = find(list, group);
    if (!line) continue;
    while (line.length < 4) line.push("");
    const members = line[3]!.split(",").filter(Boolean);
    if (!members.includes(user)) line[3] = [...members, user].join(",");
  }
}

/** @returns whether the image does not have it */
function haveUser(merge: Merge, user: CompiledUser): boolean {
  const { name, uid: asked, isSystem, group, groups, gecos, home, shell, password, expires } = user;
  const { passwd } = merge.lines;
  const line = find(passwd, name);
  const isThere = line !== undefined && isId(line[2]) && isId(line[3]);
  if (isThere && asked !== undefined && Number(line[2]) !== asked)
    merge.notes.push(`user ${name} keeps the number ${line[2]} that the image gives it, not ${asked}`);
  const uid = isThere ? Number(line[2]) : chooseId(merge, "user", name, { asked, isSystem });
  const own = isThere ? Number(line[3]) : undefined;
  const gid =
    group === undefined && own !== undefined ? own : haveGroup(merge, group ?? name, { asked: undefined, isSystem, liked: uid });
  if (!isThere) {
    merge.taken.user.add(uid);
    merge.ids.user.set(name, uid);
  }
  const [, secret = "x", , , text = "", folder = `/home/${name}`, program = SHELL] = line ?? [];
  const fields = [
    ...[name, secret, String(uid), String(gid)],
    ...[gecos === undefined ? text : byteFields(gecos), home === undefined ? folder : byteFields(home)],
    shell === undefined ? program : byteFields(shell),
  ];
  if (line) line.splice(0, line.length, ...fields);
  else add(passwd, fields);
  if (!isThere || password !== undefined || expires !== undefined) haveSecret(merge, user, find(passwd, name)!);
  for (const other of groups) {
    haveGroup(merge, other, { asked: undefined, isSystem: false });
    join(merge, name, other);
  }
  if (user.makeHome && isNormalPath(fields[5]!)) merge.homes.push({ path: fields[5]!, uid, gid });
  return !isThere;
}

/** The line of shadow(5), where the one of passwd(5) only says that there is one. */
function haveSecret({ lines }: Merge, { name, password, expires }: CompiledUser, account: Line): void {
  let line = find(lines.shadow, name);
  if (!line) {
    // `*`: no password opens it, and it is not locked: a server without PAM refuses keys of a user with `!`. Source: sshd(8), LOGIN PROCESS
    line = [name, account[1] === "x" ? "*" : account[1]!, "1", "0", "99999", "7", "", "", ""];
    add(lines.shadow, line);
  }
  account[1] = "x";
  while (line.length < 9) line.push("");
  if (password !== undefined) line[1] = byteFields(password);
  if (expires !== undefined) line[7] = String(expires);
}

/**
 * Each new user's range follows from its number, so that it is the same whoever comes and goes; where that is somebody's already, or is not all below
 * the numbers that are petrify's own, it is the next that is free.
 */
function withRanges(text: string, names: readonly string[], ids: Owners): string {
  const lines = linesOf(text);
  const { first, count } = SUBORDINATE;
  const isFree = (start: Id): boolean =>
    lines.every(
      ([, from, size]) => !isId(from) || !isId(size) || Number(from) >= start + count || Number(from) + Number(size) <= start,
    );
  const slots = Math.floor((FIRST_PARKED - first) / count);
  for (const name of names) {
    if (find(lines, name)) continue;
    const wanted = Math.max(0, ids.get(name)! - PEOPLE.first) % slots;
    for (let n = 0; n < slots; n++) {
      const start = first + ((wanted + n) % slots) * count;
      if (!isFree(start)) continue;
      lines.push([name, String(start), String(count)]);
      break;
    }
  }
  return textOf(lines);
}

/** A text's bytes in UTF-8, a character each. */
const byteFields = (text: string): string =>
  encodeURIComponent(text.replaceAll(/[\ud800-\udfff]/gu, "?")).replaceAll(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
