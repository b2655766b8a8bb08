/** The last step on the tree of a sealed image: what lets somebody in goes, and nothing that stays may need it. docs/concepts/sealed.md */
import { AppError } from "../../core/error.ts";
import type { Recipe } from "../../config/recipe.ts";
import { WITHOUT_SYSTEMD } from "../../config/profile.ts";
import { ALWAYS_PERSISTENT } from "../../config/persistent-path.ts";
import type { InitKind } from "../../config/words.ts";
import { readHead } from "../../host/files.ts";
import type { RootFs } from "../../host/rootfs.ts";
import { mayBeExecuted, programsIn, type Program, type SurfaceFile } from "../../layout/attack-surface/files.ts";
import { HEAD_SIZE, interpretersOf } from "../../layout/attack-surface/program-format.ts";
import { moduleNames } from "../../layout/kernel-features.ts";
import { unitFolders } from "../default-units.ts";
import type { Tree } from "../tree.ts";
import { dependentsText, whyNotStarted, type Dependent, type SealedTree } from "./find-dependents.ts";
import { hookFolders, servicesWithoutUnits } from "./hooks.ts";
import { modulesToLoad } from "./modules.ts";
import { planRemoval, type RemovalPlan } from "./plan-removal.ts";
import { readStarts } from "./read-starts.ts";
import type { Start } from "../../layout/starts.ts";
import { UNNEEDED_GENERATORS, UNNEEDED_RULES, UNNEEDED_UNITS } from "./stock-units.ts";
import { OWN_UNITS } from "./unit-files.ts";

/**
 * Seals a tree that is otherwise done.
 *
 * @returns sentences about what was done, and what that means
 * @throws AppError `SEALED_DEPENDENTS` with everything that needs what goes; `SEALED_EXCEPTION_UNKNOWN` for an exception of the recipe that is about
 * nothing; `KERNEL_MODULE_UNKNOWN`; `INIT_UNFIT`
 */
export async function sealTree(tree: Tree, recipe: Recipe, init: InitKind): Promise<readonly string[]> {
  const { fs } = tree;
  const { keep, remove } = recipe.sealed;
  if (init === "openrc") throw new AppError("INIT_UNFIT", `profile: ${WITHOUT_SYSTEMD}`);
  for (const { path } of [...keep, ...remove]) await requireThere(fs, path);
  for (const { path } of remove) await fs.remove(path);
  await turnOff(fs);

  const files = await readFiles(tree);
  const programs = programsIn(files);
  const interpreters = await resolveAll(fs, programs.flatMap(interpretersIn), ["/usr/bin", "/usr/sbin"]);
  const plan = planRemoval(programs, new Set(keep.map(({ path }) => path)), (name) => interpreters.get(name) ?? name);
  await refuseDependents(tree, recipe, plan);

  const modules = modulesToLoad(
    programs.map(({ path }) => path),
    await kernelModules(fs),
    recipe.sealed.modules,
  );
  if (modules.length > 0) await fs.write(MODULES, `# Loaded at boot: after it none can be.\n${modules.join("\n")}\n`);
  await removePrograms(fs, plan);
  const privileges = await stripPrivileges(tree, files, plan, new Set(keep.map(({ path }) => path)));
  await closeAccounts(fs);
  return [
    `sealed: ${plan.removed.length} programs are gone, ${privileges.length} have lost their privileges`,
    ...(recipe.api.maintenance ? [] : [NO_WAY_IN]),
  ];
}

/** It may be meant: where machines join by themselves, nobody has to be let in. */
const NO_WAY_IN =
  "nobody gets into a new machine of it: say api: { maintenance: true }, or give its machines a join token (docs/concepts/pki.md)";

/** Read by systemd-modules-load. Source: modules-load.d(5) */
const MODULES = "/usr/lib/modules-load.d/petrify-sealed.conf";

/** Source: modules.dep(5) */
async function kernelModules(fs: RootFs): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const version of await fs.list("/usr/lib/modules")) {
    for (const name of moduleNames((await fs.read(`/usr/lib/modules/${version}/modules.dep`)) ?? "")) names.add(name);
  }
  return names;
}

async function requireThere(fs: RootFs, path: string): Promise<void> {
  if (await fs.exists(path)) return;
  throw new AppError("SEALED_EXCEPTION_UNKNOWN", `sealed: the image has no ${path}`, {
    hint: "Check the path, and that its package is listed under `packages`.",
  });
}

/** Masks what stock packages bring; a file that the recipe has laid over it has the last word. */
async function turnOff(fs: RootFs): Promise<void> {
  const mask = async (path: string): Promise<void> => {
    if (!(await fs.exists(path))) await fs.link(path, "/dev/null");
  };
  const names = async (folders: readonly string[]): Promise<string[]> =>
    (await Promise.all(folders.map(async (folder) => await fs.list(folder)))).flat();
  const isOf = (name: string, list: typeof UNNEEDED_UNITS): boolean => list.some((one) => one.names.test(name));
  for (const name of await names(await unitFolders(fs)))
    if (!/\.(?:d|wants|requires)$/.test(name) && isOf(name, UNNEEDED_UNITS)) await mask(`${OWN_UNITS}/${name}`);
  for (const name of await names(["/usr/lib/systemd/system-generators"]))
    if (isOf(name, UNNEEDED_GENERATORS)) await mask(`/etc/systemd/system-generators/${name}`);
  for (const name of await names(["/usr/lib/udev/rules.d"]))
    if (isOf(name, UNNEEDED_RULES)) await mask(`/etc/udev/rules.d/${name}`);
}

/** Every file and link of the tree. */
async function readFiles({ fs, tool }: Tree): Promise<SurfaceFile[]> {
  const fields = ["%y", "%m", "%U", "%G", "%i", "%P"];
  const listed = await tool([
    "find",
    fs.folder,
    "(",
    "-type",
    "f",
    "-o",
    "-type",
    "l",
    ")",
    "-printf",
    `${fields.join("\\0")}\\0`,
  ]);
  const words = listed.split("\0");
  const files: SurfaceFile[] = [];
  for (let at = 0; at + fields.length <= words.length; at += fields.length) {
    const [type, mode, uid, gid, inode, below] = words.slice(at, at + fields.length) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const path = `/${below}`;
    const file: SurfaceFile = {
      ...{ path, kind: type === "l" ? "link" : "file", mode: Number.parseInt(mode, 8) },
      ...{ uid: Number(uid), gid: Number(gid), nid: Number(inode) },
    };
    if (file.kind === "link") files.push({ ...file, leadsTo: await placeOf(fs, path) });
    else files.push(mayBeExecuted(file) ? { ...file, head: await headOf(fs, path) } : file);
  }
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function headOf(fs: RootFs, path: string): Promise<Uint8Array> {
  const head = await readHead(`${fs.folder}${path}`, HEAD_SIZE);
  if (head === undefined)
    throw new AppError("FILE_UNREADABLE", `${path} of the image cannot be read, so nobody knows what it is`);
  return head;
}

const placeOf = async (fs: RootFs, path: string): Promise<string> => (await fs.resolve(path)).slice(fs.folder.length);

const interpretersIn = ({ format }: Program): readonly string[] => (format.kind === "script" ? interpretersOf(format) : []);

/** Where programs are, once links are followed; those that are nowhere are left out. @param folders where names without one are looked for */
async function resolveAll(fs: RootFs, programs: readonly string[], folders: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const program of new Set(programs)) {
    const at = await findProgram(fs, program, folders);
    if (at !== undefined) found.set(program, at);
  }
  return found;
}

async function findProgram(fs: RootFs, program: string, folders: readonly string[]): Promise<string | undefined> {
  const paths = program.startsWith("/") ? [program] : folders.map((folder) => `${folder}/${program}`);
  for (const path of paths) if (await fs.exists(path)) return await placeOf(fs, path);
  return undefined;
}

async function refuseDependents(tree: Tree, recipe: Recipe, { removed }: RemovalPlan): Promise<void> {
  const { fs } = tree;
  const gone = new Map(removed.flatMap(({ path, names, what }) => [path, ...names].map((name) => [name, what] as const)));
  const sealed: SealedTree = { gone, persistent: [...ALWAYS_PERSISTENT, ...recipe.persistent] };
  const dependents: Dependent[] = [];
  const judge = async (start: Pick<Start, "program" | "isArgument" | "folders">, of: Omit<Dependent, "needs">): Promise<void> => {
    const needs = whyNotStarted({ ...start, kind: of.kind }, await findProgram(fs, start.program, start.folders), sealed);
    if (needs !== undefined) dependents.push({ ...of, needs });
  };
  for (const start of await readStarts(fs)) await judge(start, start);
  for (const { command, name } of recipe.health.checks)
    if (command?.[0] !== undefined)
      await judge({ program: command[0], folders: [] }, { kind: "health check", file: name ?? command.join(" ") });
  const hooks = await servicesWithoutUnits(fs);
  for (const folder of await hookFolders(fs)) for (const name of await fs.list(folder)) hooks.push(`${folder}/${name}`);
  for (const file of hooks) {
    const what = gone.get(await placeOf(fs, file));
    if (what !== undefined) dependents.push({ kind: "hook", file, needs: `what it is: ${what}` });
  }
  if (dependents.length === 0) return;
  const unique = [
    ...new Map(
      dependents.map(({ kind, file, line, needs }) => [
        `${file}:${line} ${needs}`,
        { kind, file, needs, ...(line === undefined ? {} : { line }) },
      ]),
    ).values(),
  ];
  throw new AppError(
    "SEALED_DEPENDENTS",
    `the image cannot be sealed: ${unique.length === 1 ? "1 place needs" : `${unique.length} places need`} what goes\n${dependentsText(unique)}`,
    {
      hint: "Do that for each, leave its package out, or keep the program by `sealed.keep`, with a reason. docs/concepts/sealed.md",
    },
  );
}

async function removePrograms(fs: RootFs, { removed, links }: RemovalPlan): Promise<void> {
  for (const { path, names } of removed) for (const one of [...names, path]) await fs.remove(one);
  for (const link of links) await fs.remove(link);
}

/** Set-user-id and set-group-id bits, and capabilities: a change of the owner takes all of them away. Source: chown(2) */
async function stripPrivileges(
  { fs, tool }: Tree,
  files: readonly SurfaceFile[],
  { removed }: RemovalPlan,
  kept: ReadonlySet<string>,
): Promise<string[]> {
  const gone = new Set(removed.flatMap(({ path, names }) => [path, ...names]));
  const staying = files.filter((file) => mayBeExecuted(file) && !gone.has(file.path) && !kept.has(file.path));
  const byOwner = Map.groupBy(staying, ({ uid, gid }) => `${uid}:${gid}`);
  for (const [owner, owned] of byOwner) {
    for (const part of chunks(owned.map(({ path }) => `${fs.folder}${path}`)))
      await tool(["chown", "--no-dereference", owner, "--", ...part]);
  }
  const marked = staying.filter(({ mode }) => (mode & 0o6000) !== 0).map(({ path }) => path);
  // Root's own processes keep the bits, as some kernels have it.
  for (const part of chunks(marked.map((path) => `${fs.folder}${path}`))) await tool(["chmod", "ug-s", "--", ...part]);
  return marked;
}

const PER_COMMAND = 500;
const chunks = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / PER_COMMAND) }, (_, n) => all.slice(n * PER_COMMAND, (n + 1) * PER_COMMAND));

/** No account has a shell, and none a password. Source: passwd(5), shadow(5) */
async function closeAccounts(fs: RootFs): Promise<void> {
  const noLogin = (await fs.exists("/usr/sbin/nologin")) ? "/usr/sbin/nologin" : "/usr/bin/false";
  const passwd = (await fs.read("/etc/passwd")) ?? "";
  const shells = ["/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false"];
  const closed = passwd.replaceAll(/^((?:[^:\n]*:){6})(.*)$/gm, (line, rest: string, shell: string) =>
    shells.includes(shell) ? line : `${rest}${noLogin}`,
  );
  if (closed !== passwd) await fs.write("/etc/passwd", closed);
}
