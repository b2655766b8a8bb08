/** @portable Keys that log in, and whether passwords do: `ssh_authorized_keys`, `users[].ssh_authorized_keys`, `ssh_pwauth`. */
import type { ConfiguredUser, NodeConfig } from "../node-config.ts";
import type { Labels } from "./files.ts";
import type { ImageView } from "./image-view.ts";
import { ACCOUNT_NAME, type KnownAccounts } from "./known-accounts.ts";
import { isOneLine, MARK, markedFile, textFile, type Draft, type Part, type Unsupported } from "./part.ts";

/** In `/etc`, so that keys are there when the data partition is not. */
const KEYS_FOLDER = "/etc/ssh/petrify/authorized_keys";
const SERVER = "/usr/sbin/sshd";
const MAIN = "/etc/ssh/sshd_config";
const DROP_IN = "/etc/ssh/sshd_config.d/10-petrify.conf";
const INCLUDE = /^\s*Include\s+(?:\S+\s+)*"?(?:\/etc\/ssh\/)?sshd_config\.d\/\*\.conf"?/i;
const SETTLED_HERE = /^\s*(?:AuthorizedKeysFile|PasswordAuthentication|KbdInteractiveAuthentication|PermitRootLogin|Match)\s/i;
/** sshd(8)'s own, without the old second name. */
const USUAL_KEYS = ".ssh/authorized_keys";

interface SshContext {
  readonly accounts: KnownAccounts;
  readonly labels: Labels;
  /** Of steps: keys by user. */
  readonly further: readonly Keys[];
}
export interface Keys {
  readonly key: string;
  readonly user: string;
  readonly keys: readonly string[];
}

export function compileSsh(config: NodeConfig, view: ImageView, { accounts, labels, further }: SshContext): Part {
  const unsupported: Unsupported[] = [];
  const wanted: Keys[] = [];
  for (const { key, user, keys } of keysOf(config, labels, accounts, further)) {
    const wrong = !ACCOUNT_NAME.test(user) || !keys.every(isOneLine);
    if (!accounts.hasUser(user)) unsupported.push({ key, problem: `${user} is no user of the image or of the config` });
    else if (wrong) unsupported.push({ key, problem: "must be one line of an OpenSSH public key file each" });
    else wanted.push({ key, user, keys });
  }
  const { sshPasswords, sshRoot } = config;
  if (!view.has(SERVER)) {
    if (sshPasswords !== undefined) unsupported.push({ key: "ssh_pwauth", problem: "the image has no OpenSSH server" });
    if (sshRoot !== undefined) unsupported.push({ key: "disable_root", problem: "the image has no OpenSSH server" });
    const drafts = wanted.flatMap((keys) => keysAtHome(keys, config.users, accounts));
    return { drafts, unsupported };
  }
  const drafts = wanted.map(({ key, user, keys }) => markedFile(key, `${KEYS_FOLDER}/${user}`, keys));
  if (drafts.length === 0 && sshPasswords === undefined && sshRoot === undefined) return { unsupported };
  const main = view.read(MAIN) ?? view.read(`/usr${MAIN}`) ?? "";
  const lines = [
    ...(drafts.length > 0 ? [`AuthorizedKeysFile ${imageKeys(main)} ${KEYS_FOLDER}/%u`] : []),
    ...(sshPasswords === undefined ? [] : [`PasswordAuthentication ${sshPasswords ? "yes" : "no"}`]),
    // With a key; a password is only taken where the image says so.
    ...(sshRoot === undefined ? [] : [`PermitRootLogin ${sshRoot ? "prohibit-password" : "no"}`]),
    // It asks for the same password, through PAM.
    ...(sshPasswords === false ? ["KbdInteractiveAuthentication no"] : []),
  ];
  const key = drafts[0]?.key ?? (sshPasswords === undefined ? "disable_root" : "ssh_pwauth");
  // The first value counts. Source: sshd_config(5)
  const server = takesDropIns(main)
    ? markedFile(key, DROP_IN, lines)
    : textFile(key, MAIN, `${MARK}${lines.join("\n")}\n# The image's own:\n${main}`);
  return { drafts: [...drafts, server], unsupported };
}

/** Of the server itself; the others hold keys. */
export const isServerFile = ({ path }: Draft): boolean => path === MAIN || path === DROP_IN;

/** Of one user together, in the order written. */
function keysOf(
  { users, authorizedKeys, defaultUser }: NodeConfig,
  labels: Labels,
  accounts: KnownAccounts,
  further: readonly Keys[],
): Keys[] {
  const found = new Map<string, Keys>();
  const add = (key: string, user: string, keys: readonly string[]): void => {
    const before = found.get(user);
    if (keys.length === 0) return;
    found.set(user, { key: before?.key ?? key, user, keys: [...new Set([...(before?.keys ?? []), ...keys])] });
  };
  for (const user of users)
    add(`${labels.get(user) ?? `users[${user.name}]`}.ssh_authorized_keys`, user.name, user.authorizedKeys);
  add("ssh_authorized_keys", defaultUser ?? accounts.ordinary ?? "root", authorizedKeys);
  for (const { key, user, keys } of further) add(key, user, keys);
  return [...found.values()];
}

/** Whether a drop-in has the first word. */
function takesDropIns(main: string): boolean {
  const first = main.split("\n").find((line) => INCLUDE.test(line) || SETTLED_HERE.test(line));
  return first === undefined ? main === "" : INCLUDE.test(first);
}

/** Where the image's server looks, which goes on. */
function imageKeys(main: string): string {
  const beforeMatch = main.split(/^\s*Match\s/im)[0]!;
  const value = /^\s*AuthorizedKeysFile\s+(\S.*?)\s*$/im.exec(beforeMatch)?.[1];
  return value === undefined || value === "none" ? USUAL_KEYS : value;
}

/** For a server of another kind, which only looks there. */
function keysAtHome({ key, user, keys }: Keys, users: readonly ConfiguredUser[], accounts: KnownAccounts): Draft[] {
  const home = users.find(({ name }) => name === user)?.home ?? accounts.ofImage(user)?.home ?? `/home/${user}`;
  const owner = accounts.fullOwner(user);
  return [
    { key, path: `${home}/.ssh`, owner, what: { is: "folder", mode: 0o700 }, parents: { owner, mode: 0o700 } },
    { ...markedFile(key, `${home}/.ssh/authorized_keys`, keys, 0o600), owner },
  ];
}
