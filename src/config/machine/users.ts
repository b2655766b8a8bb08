/** @portable Who is on a machine: the part of a machine config that names users, groups and their keys. */
import { z } from "zod";
import { AbsolutePath, UserName } from "../words.ts";
import type { ConfiguredGroup, ConfiguredUser } from "./node-config.ts";
import { noTwice } from "./no-twice.ts";
import * as words from "./words.ts";

const keys = z.array(words.AuthorizedKey).max(1000);

/** Everything but the name. */
const FIELDS = {
  uid: words.Id.optional().describe("Default: the one it had before, else the next that is free"),
  gecos: words.Gecos.optional().describe("Real name, or what else says who it is"),
  groups: words
    .commaList(UserName)
    .optional()
    .describe("Further groups, a list or with commas between them; one that is not there is made"),
  primary_group: UserName.optional().describe("Default: a group of the user's own name"),
  homedir: AbsolutePath.optional().describe("Default: /home/NAME"),
  no_create_home: z.boolean().optional().describe("Make no home; default: false"),
  shell: AbsolutePath.optional().describe("Default: the image's"),
  system: z.boolean().optional().describe("A user of the system's: an id below 1000, no home; default: false"),
  lock_passwd: z.boolean().optional().describe("No login by password; default: true where none is given"),
  passwd: words.PasswordHash.optional().describe("Hash as `mkpasswd` prints it"),
  hashed_passwd: words.PasswordHash.optional().describe("The same as `passwd`"),
  ssh_authorized_keys: keys.optional().describe("Public keys that may log in"),
  sudo: z
    .union([words.Line, z.array(words.Line).max(100), z.literal(false), z.null()])
    .optional()
    .describe("What sudo lets the user do, a line of sudoers(5) without the name, or several: ALL=(ALL) NOPASSWD:ALL"),
  expiredate: words.Day.optional().describe('Day from which nobody logs in any more: "2032-09-01"'),
} as const;

const User = z
  .strictObject({ name: UserName.describe("Login name; a user of the image is changed"), ...FIELDS })
  .superRefine(({ name, uid, homedir, system }, context) => {
    if (name !== "root" || (uid ?? homedir ?? system) === undefined) return;
    context.addIssue({ code: "custom", message: "root has uid 0 and the home /root in every image" });
  });
const NamelessUser = z.strictObject(FIELDS);
export type UserFields = z.output<typeof NamelessUser>;

export const Users = z
  .array(
    z.union([
      z.literal("default").describe("The default user as it is: nothing follows"),
      UserName.transform((name) => ({ name })),
      User,
    ]),
  )
  .max(1000)
  .transform((users) => users.filter((user) => user !== "default"))
  .superRefine(noTwice(["name"]));
/** In yip's steps: by name. */
export const UsersByName = z.record(UserName, NamelessUser);

/** The user that keys and a password at the top level are of. */
export const DefaultUser = z.union([UserName.transform((name): z.output<typeof User> => ({ name })), User]);

const Members = z.union([
  words.commaList(UserName).transform((members): { members: string[]; gid?: number } => ({ members })),
  z.null().transform((): { members: string[]; gid?: number } => ({ members: [] })),
  z.strictObject({
    gid: words.Id.optional().describe("Default: the one it had before, else the next that is free"),
    members: words.commaList(UserName).default([]).describe("Users that are in it"),
  }),
]);
const GroupsByName = z.record(UserName, Members);

/** As cloud-init takes them: names, mappings of names to members, both in a list, or one line with commas. */
export const Groups = z.union([
  GroupsByName,
  words
    .commaList(z.string().pipe(UserName))
    .transform((names) => Object.fromEntries(names.map((name) => [name, { members: [] }]))),
  z
    .array(z.union([UserName.transform((name) => ({ [name]: { members: [] } })), GroupsByName]))
    .max(1000)
    .transform((items) => Object.assign({}, ...items) as z.output<typeof GroupsByName>),
]);

export const SshKeys = keys;

/** What a mapping of the document comes to. @param password found elsewhere, where the mapping has none */
export function configuredUser(name: string, fields: UserFields, password?: string): ConfiguredUser {
  const passwordHash = fields.hashed_passwd ?? fields.passwd ?? password;
  const sudo = fields.sudo === undefined || fields.sudo === false || fields.sudo === null ? [] : [fields.sudo].flat();
  return {
    name,
    ...optional("uid", fields.uid),
    ...optional("gecos", fields.gecos),
    ...optional("home", fields.homedir),
    ...optional("shell", fields.shell),
    ...optional("primaryGroup", fields.primary_group),
    groups: fields.groups ?? [],
    isSystem: fields.system ?? false,
    noHome: fields.no_create_home ?? fields.system ?? false,
    ...optional("passwordHash", passwordHash),
    isLocked: fields.lock_passwd ?? passwordHash === undefined,
    authorizedKeys: fields.ssh_authorized_keys ?? [],
    sudo,
    ...optional("expires", fields.expiredate),
  };
}

export const configuredGroups = (groups: z.output<typeof Groups>): ConfiguredGroup[] =>
  Object.entries(groups).map(([name, { gid, members }]) => ({ name, ...optional("gid", gid), members }));

/** A key only where there is a value. */
export const optional = <K extends string, V>(key: K, value: V | undefined): { readonly [key in K]?: V } =>
  value === undefined ? {} : ({ [key]: value } as { [key in K]: V });
