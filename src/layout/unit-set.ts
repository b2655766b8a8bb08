/** @portable The units of an image as systemd would load them: search path, templates, aliases, drop-ins, masks. Source: systemd.unit(5) */
import { namesAt, resolveInTree, textAt, type ImageTree } from "./image-tree.ts";
import { filesByName } from "./layered-folders.ts";
import { parseUnitFile, type UnitSetting } from "./unit-file.ts";

/** Of a running system, without what is made at boot; /usr/local is on the persistent partition. The first that has a name wins. */
const FOLDERS = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"] as const;

export interface Unit {
  /** That of an alias is the one that it stands for. */
  readonly name: string;
  /** Whether it can be started: a masked unit cannot, and there is nothing of a missing one. */
  readonly state: "loaded" | "masked" | "missing";
  /** Its own and those of its drop-ins, specifiers filled in. */
  readonly settings: readonly UnitSetting[];
  /** What folders of links beside it want: `multi-user.target.wants`. */
  readonly wants: readonly string[];
}
export interface UnitSet {
  /** By name, loaded once. */
  readonly load: (name: string) => Unit;
  /** Names of all unit files, masked ones and templates included, sorted. */
  readonly names: readonly string[];
}

export function unitSet(tree: ImageTree): UnitSet {
  const folders = realFolders(tree);
  const loaded = new Map<string, Unit>();
  const load = (name: string): Unit => {
    const known = loaded.get(name);
    if (known) return known;
    const unit = loadUnit(tree, folders, name);
    loaded.set(name, unit);
    return unit;
  };
  const names = new Set(folders.flatMap((folder) => tree.names(folder)).filter((name) => isUnitName(name)));
  return { load, names: [...names].toSorted() };
}

const isUnitName = (name: string): boolean =>
  /^[^/]+\.(?:service|socket|target|timer|path|mount|automount|swap|slice|device|scope)$/.test(name);

/** Where /usr is merged, two of them are one. */
function realFolders(tree: ImageTree): readonly string[] {
  const found = FOLDERS.map((folder) => resolveInTree(tree, folder, "follow"));
  return [...new Set(found.flatMap((one) => (one?.node === "folder" ? [one.path] : [])))];
}

interface Fragment {
  readonly name: string;
  readonly state: Unit["state"];
  readonly text: string;
}

function loadUnit(tree: ImageTree, folders: readonly string[], name: string): Unit {
  const fragment = fragmentOf(tree, folders, name);
  const names = [...new Set([fragment.name, name])];
  const texts = fragment.state === "loaded" ? [fragment.text, ...dropIns(tree, folders, names)] : [];
  const settings = texts.flatMap((text) => parseUnitFile(text));
  return {
    name: fragment.name,
    state: fragment.state,
    settings: settings.map((one) => ({ ...one, value: specified(one.value, fragment.name) })),
    wants: wantedBeside(tree, folders, names),
  };
}

/** A name that is a link to another unit's file is an alias of that unit. */
function fragmentOf(tree: ImageTree, folders: readonly string[], name: string): Fragment {
  const template = templateOf(name);
  for (const candidate of template === undefined ? [name] : [name, template]) {
    for (const folder of folders) {
      const path = `${folder}/${candidate}`;
      const node = tree.at(path);
      if (node === undefined) continue;
      const found = resolveInTree(tree, path, "follow");
      const text = found?.node === "file" ? tree.text(found.path) : undefined;
      if (found?.path === "/dev/null" || text?.trim() === "") return { name, state: "masked", text: "" };
      if (found === undefined || text === undefined) continue;
      const real = found.path.slice(found.path.lastIndexOf("/") + 1);
      const isAlias = typeof node === "object" && real !== candidate && isUnitName(real);
      return { name: isAlias ? instanceOf(real, name) : name, state: "loaded", text };
    }
  }
  return { name, state: "missing", text: "" };
}

/** `getty@.service` of `getty@tty1.service`. */
function templateOf(name: string): string | undefined {
  const [, prefix, instance, suffix] = parts(name);
  return instance ? `${prefix}@${suffix}` : undefined;
}

/** An alias of a template's instance is that template's own. */
const instanceOf = (template: string, name: string): string =>
  template.includes("@.") ? template.replace("@.", `@${parts(name)[2] ?? ""}.`) : template;

/** Prefix, instance if any, suffix with its dot. */
const parts = (name: string): readonly (string | undefined)[] => /^([^@]*?)(?:@(.*))?(\.[a-z]+)$/.exec(name) ?? [];

/** Of folders of the same kind the most special comes first, then in the order of the search path. Source: systemd.unit(5), "NAME.d/" */
const dropIns = (tree: ImageTree, folders: readonly string[], names: readonly string[]): readonly string[] =>
  filesByName(
    tree,
    names.flatMap((one) => dropInNames(one)).flatMap((name) => folders.map((folder) => `${folder}/${name}.d`)),
    ".conf",
  ).map((path) => textAt(tree, path) ?? "");

/** `a-b@c.service` has `a-b@c.service`, `a-b@.service`, `a-.service`, `service`. */
function dropInNames(name: string): readonly string[] {
  const [, prefix = "", , suffix = ""] = parts(name);
  const dashes = [...prefix.matchAll(/-/g)].map(({ index }) => `${prefix.slice(0, index + 1)}${suffix}`);
  return [name, ...[templateOf(name) ?? []].flat(), ...dashes.toReversed(), suffix.slice(1)];
}

function wantedBeside(tree: ImageTree, folders: readonly string[], names: readonly string[]): readonly string[] {
  const all = names.flatMap((name) => [name, ...[templateOf(name) ?? []].flat()]);
  const beside = all.flatMap((name) =>
    folders.flatMap((folder) => ["wants", "requires", "upholds"].flatMap((kind) => namesAt(tree, `${folder}/${name}.${kind}`))),
  );
  return [...new Set(beside)].filter((name) => isUnitName(name));
}

/** Those that name other units. Source: systemd.unit(5), "Specifiers" */
function specified(value: string, name: string): string {
  const [, prefix = "", instance = "", suffix = ""] = parts(name);
  const values: Readonly<Record<string, string>> = {
    ...{ "%n": name, "%N": name.slice(0, -suffix.length), "%p": prefix, "%i": instance },
    ...{ "%I": instance.replaceAll("-", "/"), "%%": "%" },
  };
  return value.replaceAll(/%[nNpiI%]/g, (specifier) => values[specifier] ?? specifier);
}
