/** Users and groups of an image: who has which id, and that nobody's id moves between two builds. Pure. */
import { AppError } from "../core/error.ts";
import type { RecipeUser } from "../config/recipe.ts";
import type { LockedId } from "../config/lock.ts";

/** Texts of /etc/passwd, group, shadow and gshadow; formats: passwd(5), group(5), shadow(5), gshadow(5). */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
  readonly shadow: string;
  /** Not every distribution has one. */
  readonly gshadow: string | undefined;
}
export interface Ids {
  readonly users: readonly LockedId[];
  readonly groups: readonly LockedId[];
}
/** Numeric ids of files that have to change: from → to. */
export interface Moves {
  readonly uids: ReadonlyMap<number, number>;
  readonly gids: ReadonlyMap<number, number>;
}
export interface Home {
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
  readonly sshKeys: readonly string[];
}

const FIRST_USER = 1000;
const LAST_USER = 59_999;
const LAST_SYSTEM = 999;

type Line = readonly string[];
const parse = (text: string): Line[] =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(":"));
const format = (lines: readonly Line[]): string => lines.map((line) => `${line.join(":")}\n`).join("");
const idsOf = (text: string): LockedId[] => parse(text).map(([name, , id]) => ({ name: name!, id: Number(id) }));

export const idsIn = ({ passwd, group }: AccountFiles): Ids => ({ users: idsOf(passwd), groups: idsOf(group) });

/**
 * What has to move so that every name of `locked` has its id again.
 *
 * A name that is new keeps the id its package chose, unless that belongs to another name (also one that is not installed any more);
 * then it gets the highest free system id, as systemd-sysusers would choose.
 */
export function idMoves(files: AccountFiles, locked: Ids): Moves {
  const now = idsIn(files);
  return { uids: moves(now.users, locked.users), gids: moves(now.groups, locked.groups) };
}

function moves(now: readonly LockedId[], locked: readonly LockedId[]): Map<number, number> {
  const wanted = new Map(locked.map(({ name, id }) => [name, id]));
  const taken = new Set([...locked, ...now].map(({ id }) => id));
  const reserved = new Set(wanted.values());
  const result = new Map<number, number>();
  for (const { name, id } of now) {
    const target = wanted.get(name) ?? (reserved.has(id) ? freeSystemId(name, taken) : id);
    taken.add(target);
    if (target !== id) result.set(id, target);
  }
  return result;
}

function freeSystemId(name: string, taken: ReadonlySet<number>): number {
  for (let id = LAST_SYSTEM; id >= 100; id--) if (!taken.has(id)) return id;
  throw new AppError("IDS_EXHAUSTED", `there is no free system id for ${name}`, {
    hint: "Remove names that are not used any more from petrify.lock.",
  });
}

export function applyMoves(files: AccountFiles, { uids, gids }: Moves): AccountFiles {
  const moved = (map: ReadonlyMap<number, number>, id: string): string => String(map.get(Number(id)) ?? id);
  return {
    ...files,
    passwd: format(
      parse(files.passwd).map(([n, p, uid, gid, ...rest]) => [n!, p!, moved(uids, uid!), moved(gids, gid!), ...rest]),
    ),
    group: format(parse(files.group).map(([n, p, gid, ...rest]) => [n!, p!, moved(gids, gid!), ...rest])),
  };
}

/** What the lock remembers: everybody who is there, and everybody who was. */
export function lockIds(files: AccountFiles, locked: Ids): Ids {
  const now = idsIn(files);
  const both = (a: readonly LockedId[], b: readonly LockedId[]): LockedId[] => [
    ...a,
    ...b.filter(({ name }) => !a.some((x) => x.name === name)),
  ];
  return { users: both(now.users, locked.users), groups: both(now.groups, locked.groups) };
}

/**
 * Adds the recipe's users; root and users that a package made are changed, not added.
 *
 * @throws AppError `ID_CHANGED` (the recipe asks for another id than the lock has), `ID_TAKEN`, `GROUP_UNKNOWN`
 */
export function addUsers(
  files: AccountFiles,
  users: readonly RecipeUser[],
  locked: Ids,
  defaultShell: string,
): { files: AccountFiles; homes: readonly Home[] } {
  const passwd = parse(files.passwd).map((line) => [...line]);
  const group = parse(files.group).map((line) => [...line]);
  const shadow = parse(files.shadow).map((line) => [...line]);
  const gshadow = parse(files.gshadow ?? "").map((line) => [...line]);
  const homes: Home[] = [];

  const chooseId = (
    kind: "uid" | "gid",
    name: string,
    asked: number | undefined,
    lines: readonly Line[],
    lockedIds: readonly LockedId[],
  ): number => {
    const before = lockedIds.find((entry) => entry.name === name)?.id;
    if (asked !== undefined && before !== undefined && asked !== before) {
      throw new AppError(
        "ID_CHANGED",
        `the ${kind} of ${name} was ${before} in the builds before and is ${asked} in the recipe`,
        {
          hint: `Files that ${name} owns on running machines would lose their owner. If that is meant, remove ${name} from petrify.lock.`,
        },
      );
    }
    const owner = (id: number): string | undefined =>
      lines.find((line) => Number(line[2]) === id)?.[0] ??
      lockedIds.find((entry) => entry.id === id && entry.name !== name)?.name;
    const id = asked ?? before;
    if (id !== undefined) {
      const other = owner(id);
      if (other === undefined) return id;
      throw new AppError("ID_TAKEN", `the ${kind} ${id} of ${name} belongs to ${other}`, {
        hint: `Give ${name} another ${kind}.`,
      });
    }
    for (let free = FIRST_USER; free <= LAST_USER; free++) if (owner(free) === undefined) return free;
    throw new AppError("IDS_EXHAUSTED", `there is no free ${kind} for ${name}`);
  };

  for (const user of users) {
    let entry = passwd.find(([name]) => name === user.name);
    if (!entry) {
      const own = group.find(([name]) => name === user.name);
      const uid = chooseId("uid", user.name, user.uid, passwd, locked.users);
      const gid = own ? Number(own[2]) : chooseId("gid", user.name, user.gid ?? user.uid, group, locked.groups);
      entry = [user.name, "x", String(uid), String(gid), "", user.home ?? `/home/${user.name}`, user.shell ?? defaultShell];
      passwd.push(entry);
      shadow.push(newSecret(user.name, "!"));
      if (!own) {
        group.push([user.name, "x", String(gid), ""]);
        gshadow.push([user.name, "!", "", ""]);
      }
    } else {
      if (user.uid !== undefined && Number(entry[2]) !== user.uid) {
        throw new AppError("ID_CHANGED", `${user.name} has uid ${entry[2]} from its package, and ${user.uid} in the recipe`, {
          hint: `Leave out the uid of ${user.name}, or give it in petrify.lock before the first build.`,
        });
      }
      if (user.shell) entry[6] = user.shell;
      if (user.home) entry[5] = user.home;
    }
    let secret = shadow.find(([name]) => name === user.name);
    if (!secret) {
      // The one that its package made may have its password in passwd, or none.
      secret = newSecret(user.name, entry[1] === "x" ? "!" : entry[1]!);
      entry[1] = "x";
      shadow.push(secret);
    }
    if (user.password) secret[1] = user.password;
    for (const name of user.groups) {
      for (const [lines, field] of [
        [group, 3],
        [gshadow, 3],
      ] as const) {
        const line = lines.find(([other]) => other === name);
        if (!line && lines === group) {
          throw new AppError("GROUP_UNKNOWN", `user ${user.name} is to be in group ${name}, which the image does not have`, {
            hint: `Install the package that makes the group, or leave it out. There are: ${group.map(([other]) => other).join(", ")}.`,
          });
        }
        if (line) line[field] = [...new Set([...(line[field] ?? "").split(",").filter(Boolean), user.name])].join(",");
      }
    }
    homes.push({ path: entry[5]!, uid: Number(entry[2]), gid: Number(entry[3]), sshKeys: user.sshKeys });
  }
  return {
    files: {
      ...{ passwd: format(passwd), group: format(group), shadow: format(shadow) },
      gshadow: files.gshadow === undefined ? undefined : format(gshadow),
    },
    homes,
  };
}

/** A line of /etc/shadow. */
const newSecret = (name: string, password: string): string[] => [name, password, "1", "0", "99999", "7", "", "", ""];

/** `user`, `user:group` or numbers to `UID:GID`. @throws AppError `OWNER_UNKNOWN` */
export function ownerIds(owner: string, files: AccountFiles): string {
  const [user, group] = owner.split(":");
  const find = (text: string, name: string): Line | undefined =>
    parse(text).find(([other, , id]) => other === name || id === name);
  const entry = find(files.passwd, user!);
  const groupEntry = group === undefined ? undefined : find(files.group, group);
  const uid = entry?.[2] ?? (/^\d+$/.test(user!) ? user : undefined);
  const gid = group === undefined ? (entry?.[3] ?? uid) : (groupEntry?.[2] ?? (/^\d+$/.test(group) ? group : undefined));
  if (uid === undefined || gid === undefined) {
    throw new AppError("OWNER_UNKNOWN", `${owner} is not a user and group of the image`, {
      hint: "Add the user under `users`, or write numbers.",
    });
  }
  return `${uid}:${gid}`;
}
