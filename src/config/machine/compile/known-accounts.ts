/** @portable Who is there once a config is in place: accounts of the image and of the config. */
import { isIn } from "../../persistent-path.ts";
import type { NodeConfig } from "../node-config.ts";
import type { ImageView } from "./image-view.ts";

export interface KnownAccounts {
  readonly hasUser: (name: string) => boolean;
  readonly hasGroup: (name: string) => boolean;
  /** As a passwd(5) line of the image has it; nothing for a user that only the config has. */
  readonly ofImage: (name: string) => ImageUser | undefined;
  /** The image's first that is a person's, by number. */
  readonly ordinary: string | undefined;
  /** Of the image alone. */
  readonly userOfNumber: (uid: number) => string | undefined;
  readonly gidOf: (group: string) => number | undefined;
  readonly groupOfNumber: (gid: number) => string | undefined;
  /** The end of a sentence; nothing for an owner that is there. Numbers always are. @param owner `user` or `user:group` */
  readonly whyNoOwner: (owner: string) => string | undefined;
  /** `user:group`; the group of a user alone is the user's own. */
  readonly fullOwner: (owner: string) => string;
  /** The configured user in whose home a path lies. */
  readonly homeOf: (path: string) => { readonly owner: string } | undefined;
}
export interface ImageUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** What useradd(8) and groupadd(8) of all distributions take: no separator of a line or of a list. */
export const ACCOUNT_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/;
const isName = (name: string): boolean => ACCOUNT_NAME.test(name);
const NUMBER = /^\d{1,10}$/;

/** @param config users and groups, those of early stages included */
export function knownAccounts({ users, groups }: Pick<NodeConfig, "users" | "groups">, view: ImageView): KnownAccounts {
  const image = new Map(
    linesOf(view, "/etc/passwd").map(([name = "", , uid, gid, , home = "/", shell = ""]): [string, ImageUser] => [
      name,
      { name, uid: Number(uid), gid: Number(gid), home, shell },
    ]),
  );
  const imageGroups = new Map(linesOf(view, "/etc/group").map(([name = "", , gid]) => [name, Number(gid)]));
  const ofImage = new Map([...imageGroups].map(([name, gid]) => [gid, name]));
  const numbers = new Map(ofImage);
  for (const { name, gid } of groups) if (gid !== undefined) numbers.set(gid, name);
  const userNames = new Set([...image.keys(), ...users.map(({ name }) => name).filter(isName)]);
  const groupNames = new Set([
    ...imageGroups.keys(),
    ...groups.map(({ name }) => name).filter(isName),
    ...users
      .flatMap(({ name, primaryGroup, groups: further }) => [...(image.has(name) ? [] : [primaryGroup ?? name]), ...further])
      .filter(isName),
  ]);
  const primary = (name: string): string => {
    const configured = users.find((user) => user.name === name)?.primaryGroup;
    const found = image.get(name);
    return configured ?? (found ? (numbers.get(found.gid) ?? String(found.gid)) : name);
  };
  const fullOwner = (owner: string): string => {
    if (owner.includes(":")) return owner;
    return NUMBER.test(owner) ? `${owner}:${owner}` : `${owner}:${primary(owner)}`;
  };
  return {
    hasUser: (name) => userNames.has(name),
    hasGroup: (name) => groupNames.has(name),
    ofImage: (name) => image.get(name),
    ordinary: [...image.values()].filter(isOrdinary).sort((a, b) => a.uid - b.uid)[0]?.name,
    userOfNumber: (uid) => [...image.values()].find((user) => user.uid === uid)?.name,
    gidOf: (group) => imageGroups.get(group),
    groupOfNumber: (gid) => ofImage.get(gid),
    whyNoOwner: (owner) => {
      const [user = "", group] = owner.split(":");
      if (!NUMBER.test(user) && !userNames.has(user)) return `${user} is no user of the image or of the config`;
      if (group === undefined || NUMBER.test(group) || groupNames.has(group)) return undefined;
      return `${group} is no group of the image or of the config`;
    },
    fullOwner,
    homeOf: (path) => {
      const user = users.find(({ name, home }) => isBelow(path, home ?? image.get(name)?.home ?? `/home/${name}`));
      return user && { owner: fullOwner(user.name) };
    },
  };
}

/** Source: systemd, docs/UIDS-GIDS.md */
const isOrdinary = ({ uid, shell }: ImageUser): boolean => uid >= 1000 && uid < 60_000 && !/\/(?:nologin|false)$/.test(shell);
const isBelow = (path: string, home: string): boolean => home !== "/" && path !== home && isIn(path, home);

const linesOf = (view: ImageView, path: string): string[][] =>
  (view.read(path) ?? "")
    .split("\n")
    .filter((line) => /^[^#+\-:][^:]*:/.test(line))
    .map((line) => line.split(":"));
