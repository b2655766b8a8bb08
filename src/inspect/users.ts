/** Who is known to an image, and who of them can log in. */
import { textOf, type ImageTree } from "./image-tree.ts";

export interface FoundUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
  /** What there is to log in with; empty for who cannot. Passwords are never shown. */
  readonly login: readonly ("password" | "no password" | "ssh key")[];
}

const NO_SHELL = /\/(?:nologin|false|true|sync|shutdown|halt)$/;

/** In the order of their ids. */
export async function usersOf(tree: ImageTree): Promise<readonly FoundUser[]> {
  const lines = async (path: string): Promise<string[][]> =>
    ((await textOf(tree, path)) ?? "").split("\n").flatMap((line) => (line.includes(":") ? [line.split(":")] : []));
  const passwords = new Map((await lines("/etc/shadow")).map(([name, password]) => [name, password ?? "*"]));
  const users: FoundUser[] = [];
  for (const [name = "", password = "", uid, gid, , home = "", shell = ""] of await lines("/etc/passwd")) {
    if (name === "" || !/^\d+$/.test(uid ?? "") || !/^\d+$/.test(gid ?? "")) continue;
    const stored = password === "x" ? (passwords.get(name) ?? "*") : password;
    const keys = await textOf(tree, `${home}/.ssh/authorized_keys`);
    const login = NO_SHELL.test(shell) || shell === "" ? [] : waysIn(stored, keys);
    users.push({ name, uid: Number(uid), gid: Number(gid), home, shell, login });
  }
  return users.toSorted((a, b) => a.uid - b.uid);
}

/** A password that no text has (`*`, `!…`) locks it. Source: shadow(5). */
function waysIn(password: string, keys: string | undefined): FoundUser["login"] {
  const hasKey = (keys ?? "").split("\n").some((line) => line.trim() !== "" && !line.trim().startsWith("#"));
  return [
    ...(password === "" ? (["no password"] as const) : []),
    ...(/^\$|^_|^[A-Za-z0-9./]{13}$/.test(password) ? (["password"] as const) : []),
    ...(hasKey ? (["ssh key"] as const) : []),
  ];
}
