/** @portable Whose a path is: names to numbers, as passwd(5) and group(5) have them. */
import type { Id } from "./persistent-ids.ts";

export interface OwnerIds {
  readonly uid: Id;
  readonly gid: Id;
}
export interface OwnerNames {
  readonly users: ReadonlyMap<string, OwnerIds>;
  readonly groups: ReadonlyMap<string, Id>;
}

/** @param passwd Latin-1, as `group` is */
export function ownerNames(passwd: string, group: string): OwnerNames {
  const lines = (text: string): string[][] => text.split("\n").map((line) => line.split(":"));
  const users = new Map<string, OwnerIds>();
  const groups = new Map<string, number>();
  for (const [name = "", , user, own] of lines(passwd)) {
    const [uid, gid] = [idOf(user), idOf(own)];
    if (uid !== undefined && gid !== undefined && !users.has(name)) users.set(name, { uid, gid });
  }
  for (const [name = "", , own] of lines(group)) {
    const gid = idOf(own);
    if (gid !== undefined && !groups.has(name)) groups.set(name, gid);
  }
  return { users, groups };
}
const idOf = (text: string | undefined): number | undefined =>
  /^\d{1,10}$/.test(text ?? "") && Number(text) < 2 ** 32 - 1 ? Number(text) : undefined;

/** `user`, `user:group`, names or numbers; nothing where nobody has the name. */
export function ownerIds(owner: string, { users, groups }: OwnerNames): OwnerIds | undefined {
  const [user = "", group] = owner.split(":");
  const known = users.get(user);
  const uid = known?.uid ?? idOf(user);
  const gid = group === undefined ? (known?.gid ?? uid) : (groups.get(group) ?? idOf(group));
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}
