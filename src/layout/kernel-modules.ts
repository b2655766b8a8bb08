/** @portable Kernel modules of an initrd: which, in what order, and the index that /init loads them by. Source: depmod's text files. */
import { moduleName } from "./modalias.ts";

/** Where an initrd holds its modules, and their index. */
export const MODULES_FOLDER = "/lib/modules";
export const MODULE_INDEX = `${MODULES_FOLDER}/index.json`;

/** Texts of depmod's files; paths in them may have any compression's suffix. */
export interface ModuleFiles {
  readonly dep: string;
  readonly alias: string;
  readonly softdep: string;
}

/** Stored in the initrd as JSON. */
export interface ModuleIndex {
  /** By name: where the module is, below the modules folder, and what must be loaded before it, in that order. */
  readonly modules: Readonly<Record<string, IndexedModule>>;
  /** Pattern of a device's modalias and the module for it. */
  readonly aliases: readonly (readonly [pattern: string, module: string])[];
  /** Needed on every machine: what the root is made of, whatever the disk. */
  readonly always: readonly string[];
  /** Options that this kernel's verity target knows, among those that a root is to have. */
  readonly verityOptions: readonly string[];
}
export interface IndexedModule {
  /** Without compression: `kernel/drivers/block/loop.ko`. */
  readonly file: string;
  readonly after: readonly string[];
}

/** A module's path without the suffix of a compression. */
export const plainModulePath = (path: string): string => path.replace(/\.ko\.(xz|zst|gz)$/, ".ko");

/**
 * The index of the wanted modules and of everything they need.
 *
 * Names that the kernel does not have as modules are passed over: what one kernel builds in is a module of another.
 *
 * @param wanted loaded when a device asks for them
 * @param always loaded in any case
 */
export function indexModules(
  files: ModuleFiles,
  wanted: readonly string[],
  always: readonly string[],
): Omit<ModuleIndex, "verityOptions"> {
  const known = parseDependencies(files.dep);
  const aliases = parseAliases(files.alias);
  const providers = new Map<string, string[]>();
  for (const [pattern, module] of aliases) providers.set(pattern, [...(providers.get(pattern) ?? []), module]);
  const soft = parseSoftDependencies(files.softdep);
  /** What a softdep means: a module, or every module with that alias. */
  const resolve = (name: string): string[] => (known.has(moduleName(name)) ? [moduleName(name)] : (providers.get(name) ?? []));

  const modules: Record<string, IndexedModule> = {};
  const add = (name: string): void => {
    const found = known.get(name);
    if (!found || name in modules) return;
    const after: string[] = [];
    const open = new Set([name]);
    const need = (dependency: string): void => {
      const entry = known.get(dependency);
      if (!entry || open.has(dependency)) return;
      open.add(dependency); // softdeps may go in circles
      for (const further of [...(soft.get(dependency) ?? []).flatMap(resolve), ...entry.needs]) need(further);
      after.push(dependency);
    };
    for (const dependency of [...(soft.get(name) ?? []).flatMap(resolve), ...found.needs]) need(dependency);
    modules[name] = { file: found.file, after };
    for (const dependency of after) add(dependency);
  };
  const names = [...always, ...wanted].map(moduleName);
  for (const name of names) add(name);
  const byDevice = new Set(wanted.map(moduleName));
  return {
    modules: Object.fromEntries(Object.entries(modules).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    aliases: aliases.filter(([pattern, module]) => pattern.includes(":") && byDevice.has(module)),
    always: always.map(moduleName).filter((name) => name in modules),
  };
}

/** Lines of `modules.dep`: `PATH: PATH…`, dependencies in the reverse order of loading. */
function parseDependencies(text: string): Map<string, { readonly file: string; readonly needs: readonly string[] }> {
  const found = new Map<string, { file: string; needs: string[] }>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const file = plainModulePath(line.slice(0, colon));
    const needs = line
      .slice(colon + 1)
      .split(" ")
      .filter((path) => path !== "")
      .map((path) => nameOfPath(path))
      .toReversed();
    found.set(nameOfPath(file), { file, needs });
  }
  return found;
}

/** Lines `alias PATTERN MODULE`. */
function parseAliases(text: string): [pattern: string, module: string][] {
  return text.split("\n").flatMap((line) => {
    const [word, pattern, module] = line.split(" ");
    return word === "alias" && pattern && module ? [[pattern, moduleName(module)] as [string, string]] : [];
  });
}

/** What lines `softdep MODULE pre: A B post: C` ask for before the module. */
function parseSoftDependencies(text: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const match = /^softdep (\S+) .*?pre: ?(.*)$/.exec(line);
    if (!match) continue;
    const name = moduleName(match[1]!);
    const before = match[2]!.replace(/\S+:.*$/, "").split(" ");
    found.set(name, [...(found.get(name) ?? []), ...before.filter((word) => word !== "")]);
  }
  return found;
}

const nameOfPath = (path: string): string =>
  moduleName(plainModulePath(path.slice(path.lastIndexOf("/") + 1)).replace(/\.ko$/, ""));
