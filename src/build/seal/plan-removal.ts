/** Which programs a sealed image loses: those of a kind that lets somebody run what the image does not have, and what cannot run without them. */
import { interpretersOf } from "../../layout/attack-surface/program-format.ts";
import type { Program } from "../../layout/attack-surface/files.ts";
import { rolesOf, type ProgramRole } from "../../layout/attack-surface/program-roles.ts";

/** By kind, with the word for it. `transfer` stays: what fetches files runs nothing. */
const REMOVED = {
  shell: "a shell",
  interpreter: "an interpreter",
  packageManager: "a package manager",
  compiler: "a compiler",
  debugger: "a debugger",
  sshServer: "an SSH server",
  sshClient: "an SSH client",
  login: "a login",
  privilege: "a way to become another user",
} as const satisfies Partial<Record<ProgramRole, string>>;

/** Programs that have one of those kinds by another name only, and that the system needs: that name goes. */
const NEEDED = new Map([["/usr/bin/systemd-run", "a machine config is applied by it"]]);

export interface Removal {
  readonly path: string;
  /** Its other names, which go as well. */
  readonly names: readonly string[];
  /** What it is: `a shell`. */
  readonly what: string;
}
export interface RemovalPlan {
  readonly removed: readonly Removal[];
  /** Links that go, their programs staying. */
  readonly links: readonly string[];
}

/**
 * @param kept paths that stay, by any of their names
 * @param realPath of an interpreter that a script names: where it is in the image once links are followed
 */
export function planRemoval(
  programs: readonly Program[],
  kept: ReadonlySet<string>,
  realPath: (interpreter: string) => string,
): RemovalPlan {
  const removed = new Map<string, Removal>();
  const links: string[] = [];
  const candidates = programs.filter(({ path, names }) => ![path, ...names].some((name) => kept.has(name)));
  for (const { path, names, format, roles } of candidates) {
    const role = roles.find((one): one is keyof typeof REMOVED => one in REMOVED);
    if (role === undefined) continue;
    if (NEEDED.has(path)) links.push(...names.filter((name) => rolesOf(name, format.kind).some((one) => one in REMOVED)));
    else removed.set(path, { path, names, what: REMOVED[role] });
  }
  const gone = new Set([...removed.values()].flatMap(({ path, names }) => [path, ...names]));
  // A script may be the interpreter of another one.
  for (let before = -1; before !== removed.size;) {
    before = removed.size;
    for (const { path, names, format } of candidates) {
      if (removed.has(path) || format.kind !== "script") continue;
      const lacks = interpretersOf(format).find((interpreter) => gone.has(realPath(interpreter)));
      if (lacks === undefined) continue;
      removed.set(path, { path, names, what: `a script of ${lacks}` });
      for (const name of [path, ...names]) gone.add(name);
    }
  }
  return { removed: [...removed.values()], links };
}
