/** @portable Users and groups: `users`, `groups`, and what they may with sudo. */
import type { CompiledUser } from "../../../layout/compiled-config.ts";
import type { ConfiguredUser, NodeConfig } from "../node-config.ts";
import type { Labels } from "./files.ts";
import type { ImageView } from "./image-view.ts";
import { ACCOUNT_NAME, type KnownAccounts } from "./known-accounts.ts";
import { markedFile, type Draft, type Part, type Unsupported } from "./part.ts";
import { whyNoSudoRule } from "./sudoers.ts";

/** A field of passwd(5). */
// eslint-disable-next-line no-control-regex -- that is what is refused
const FIELD = /^[^:\0-\x1f\x7f]{0,1000}$/;
/** crypt(5), `!` and `*` in any place. */
const PASSWORD = /^[!*./0-9A-Za-z$=,+-]{0,512}$/;
const INCLUDES_FOLDER = /^\s*[#@]includedir\s+"?\/etc\/sudoers\.d"?\s*$/m;

interface AccountsContext {
  readonly accounts: KnownAccounts;
  readonly labels: Labels;
}

export function compileAccounts({ users, groups }: NodeConfig, view: ImageView, { accounts, labels }: AccountsContext): Part {
  const unsupported: Unsupported[] = [];
  const drafts: Draft[] = [];
  const compiled: CompiledUser[] = [];
  const wanted = new Map<string, { name: string; gid?: number; members: readonly string[] }>();
  const [uids, gids] = [
    numbersOf(users.map(({ name, uid: id }) => ({ name, id }))),
    numbersOf(groups.map(({ name, gid: id }) => ({ name, id }))),
  ];
  for (const group of groups) {
    const key = labels.get(group) ?? `groups[${group.name}]`;
    if (!ACCOUNT_NAME.test(group.name)) unsupported.push({ key, problem: "is no name that a group can have" });
    else if (group.gid !== undefined && !isId(group.gid))
      unsupported.push({ key, problem: "has no number that a group can have" });
    else if (takenBy(group.name, group.gid, accounts.groupOfNumber, gids) !== undefined)
      unsupported.push({ key, problem: `has the number of ${takenBy(group.name, group.gid, accounts.groupOfNumber, gids)}` });
    else if (group.gid !== undefined && group.gid !== (accounts.gidOf(group.name) ?? group.gid))
      unsupported.push({
        key,
        problem: `has the number ${accounts.gidOf(group.name)} in the image, whose files have that number`,
      });
    else wanted.set(group.name, group);
    for (const member of group.members)
      if (!accounts.hasUser(member)) unsupported.push({ key, problem: `${member} is no user of the image or of the config` });
  }
  for (const user of users) {
    const key = labels.get(user) ?? `users[${user.name}]`;
    const owner = takenBy(user.name, user.uid, accounts.userOfNumber, uids);
    const before = accounts.ofImage(user.name);
    const moved = before !== undefined && user.uid !== undefined && user.uid !== before.uid;
    const problem =
      whyNoUser(user, view) ??
      (moved ? { field: "uid", why: `is ${before.uid} in the image, whose files have that number` } : undefined) ??
      (owner === undefined ? undefined : { field: "uid", why: `is ${owner}'s` });
    if (problem) {
      unsupported.push({ key: problem.field ? `${key}.${problem.field}` : key, problem: problem.why });
      continue;
    }
    const isNew = before === undefined;
    for (const name of [...(user.primaryGroup === undefined ? [] : [user.primaryGroup]), ...user.groups]) {
      if (!ACCOUNT_NAME.test(name))
        unsupported.push({ key: `${key}.groups`, problem: `${name} is no name that a group can have` });
      else if (!wanted.has(name) && !isOfImage(view, name)) wanted.set(name, { name, members: [] });
    }
    compiled.push(compiledUser(user, isNew, view));
    const sudo = sudoFile(key, user, view);
    drafts.push(...sudo.drafts);
    unsupported.push(...sudo.unsupported);
  }
  const known = [...wanted.values()].map(({ name, gid, members }) => ({
    ...{ name, ...(gid !== undefined && { gid }) },
    members: members.filter((member) => accounts.hasUser(member)),
  }));
  return { accounts: { users: compiled, groups: known }, drafts, unsupported };
}

function compiledUser(user: ConfiguredUser, isNew: boolean, view: ImageView): CompiledUser {
  const { name, uid, gecos, home, shell, primaryGroup, groups, isSystem, noHome, expires } = user;
  const password = passwordOf(user, isNew, view);
  return {
    ...{ name, isSystem, groups: groups.filter((group) => ACCOUNT_NAME.test(group)) },
    ...(uid !== undefined && { uid }),
    ...(primaryGroup !== undefined && ACCOUNT_NAME.test(primaryGroup) && { group: primaryGroup }),
    ...(gecos !== undefined && { gecos }),
    ...((home ?? (isNew ? `/home/${name}` : undefined)) !== undefined && { home: home ?? `/home/${name}` }),
    makeHome: isNew && !noHome && !isSystem,
    ...((shell ?? (isNew ? usualShell(view) : undefined)) !== undefined && { shell: shell ?? usualShell(view) }),
    ...(password !== undefined && { password }),
    ...(expires !== undefined && { expires }),
  };
}

/** Without PAM, OpenSSH takes `!` for an account that nobody may use, with a key neither. Source: sshd(8), "Login process" */
function passwordOf({ passwordHash, isLocked }: ConfiguredUser, isNew: boolean, view: ImageView): string | undefined {
  const noPassword = view.has("/etc/pam.d/sshd") ? "!" : "*";
  if (isLocked) return `${noPassword}${(passwordHash ?? "").replace(/^[!*]+/, "")}`;
  return passwordHash ?? (isNew ? noPassword : undefined);
}

/** The one after it means "unchanged" in chown(2). */
const isId = (number: number): boolean => Number.isInteger(number) && number >= 0 && number <= 2 ** 32 - 2;
const numbersOf = (asked: readonly { readonly name: string; readonly id: number | undefined }[]): ReadonlyMap<number, string> =>
  new Map(asked.toReversed().flatMap(({ name, id }) => (id === undefined ? [] : [[id, name] as const])));

/** Who else has a number that was asked for: of the image, or of the config before. */
function takenBy(
  name: string,
  asked: number | undefined,
  ofImage: (id: number) => string | undefined,
  ofConfig: ReadonlyMap<number, string>,
): string | undefined {
  if (asked === undefined) return undefined;
  return [ofImage(asked), ofConfig.get(asked)].find((other) => other !== undefined && other !== name);
}

const usualShell = (view: ImageView): string =>
  ["/bin/bash", "/bin/sh", "/usr/sbin/nologin", "/sbin/nologin"].find((path) => view.has(path)) ?? "/usr/sbin/nologin";
const isOfImage = (view: ImageView, group: string): boolean =>
  (view.read("/etc/group") ?? "").split("\n").some((line) => line.startsWith(`${group}:`));

function whyNoUser(user: ConfiguredUser, view: ImageView): { readonly field?: string; readonly why: string } | undefined {
  const { name, uid, home, shell, gecos, passwordHash, expires } = user;
  if (!ACCOUNT_NAME.test(name)) return { why: "is no name that a user can have" };
  if (uid !== undefined && !isId(uid)) return { field: "uid", why: "is no number that a user can have" };
  if (expires !== undefined && (!isId(expires) || expires > 10_000_000)) return { field: "expiredate", why: "is no day" };
  if (uid === 0 && name !== "root") return { field: "uid", why: "is root's" };
  if (uid !== undefined && uid !== 0 && name === "root") return { field: "uid", why: "is not root's, which is 0" };
  if (gecos !== undefined && !FIELD.test(gecos)) return { field: "gecos", why: "must be one line without a colon" };
  if (home !== undefined && (!FIELD.test(home) || !home.startsWith("/")))
    return { field: "homedir", why: "must be an absolute path" };
  if (shell !== undefined && !FIELD.test(shell)) return { field: "shell", why: "must be an absolute path" };
  if (shell !== undefined && !view.has(shell))
    return { field: "shell", why: `${shell} is not in the image: put its package into the recipe` };
  if (passwordHash !== undefined && !PASSWORD.test(passwordHash)) return { field: "passwd", why: "must be a hash of crypt(5)" };
  return undefined;
}

function sudoFile(
  key: string,
  { name, sudo }: ConfiguredUser,
  view: ImageView,
): { readonly drafts: readonly Draft[]; readonly unsupported: readonly Unsupported[] } {
  if (sudo.length === 0) return { drafts: [], unsupported: [] };
  const wrong = sudo.flatMap((rule) => {
    const why = whyNoSudoRule(rule);
    return why === undefined ? [] : [{ key: `${key}.sudo`, problem: `${JSON.stringify(rule)} ${why}` }];
  });
  if (wrong.length > 0) return { drafts: [], unsupported: wrong };
  const missing = view.has("/usr/bin/sudo")
    ? INCLUDES_FOLDER.test(view.read("/etc/sudoers") ?? "")
      ? undefined
      : "the image's /etc/sudoers does not read /etc/sudoers.d"
    : "the image has no sudo";
  if (missing !== undefined) {
    const hint = "Put the package sudo into the recipe, with its own /etc/sudoers.";
    return { drafts: [], unsupported: [{ key: `${key}.sudo`, problem: missing, hint }] };
  }
  // sudo passes over files whose name has a dot.
  const path = `/etc/sudoers.d/90-petrify-${name.replaceAll(/[.$]/g, "_")}`;
  return {
    drafts: [
      markedFile(
        `${key}.sudo`,
        path,
        sudo.map((rule) => `${name} ${rule.trim()}`),
        0o440,
      ),
    ],
    unsupported: [],
  };
}
