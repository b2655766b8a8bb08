/** @portable Which kernel modules drive a device: patterns of `modules.alias` against the `modalias` of sysfs. */

interface Pattern {
  readonly prefix: string;
  readonly glob: string;
  readonly module: string;
}
/** A compiled list of aliases: {@link modulesFor} looks devices up in it. */
export interface AliasTable {
  /** By what is in front of the first colon: the table is long, and this runs early in each boot. */
  readonly byBus: ReadonlyMap<string, readonly Pattern[]>;
  /** Patterns that fit several buses. */
  readonly anyBus: readonly Pattern[];
}

/** @param aliases pairs of pattern and module, as in `modules.alias` */
export function compileAliases(aliases: readonly (readonly [pattern: string, module: string])[]): AliasTable {
  const byBus = new Map<string, Pattern[]>();
  const anyBus: Pattern[] = [];
  for (const [pattern, module] of aliases) {
    const glob = normalise(pattern);
    const compiled = { prefix: glob.slice(0, literalLength(glob)), glob, module };
    const bus = busOf(glob);
    if (bus.length >= compiled.prefix.length) anyBus.push(compiled);
    else push(byBus, bus, compiled);
  }
  return { byBus, anyBus };
}

/** Names of the modules that claim a device, each once. */
export function modulesFor({ byBus, anyBus }: AliasTable, modalias: string): string[] {
  const text = normalise(modalias.trim());
  const found = new Set<string>();
  for (const patterns of [byBus.get(busOf(text)) ?? [], anyBus]) {
    for (const { prefix, glob, module } of patterns) {
      if (text.startsWith(prefix) && !found.has(module) && matches(glob, prefix.length, text, prefix.length)) found.add(module);
    }
  }
  return [...found];
}

function push(lists: Map<string, Pattern[]>, bus: string, pattern: Pattern): void {
  const list = lists.get(bus);
  if (list) list.push(pattern);
  else lists.set(bus, [pattern]);
}

const busOf = (text: string): string => text.slice(0, Math.max(0, text.indexOf(":")));

/** Module names are written with `-` and `_` alike. */
export const moduleName = (name: string): string => name.replaceAll("-", "_");

/** Dashes are underscores, except within brackets. Source: kmod, alias_normalize(). */
const normalise = (text: string): string =>
  text.includes("[") ? text.replaceAll(/\[[^\]]*\]|-/g, (part) => (part === "-" ? "_" : part)) : text.replaceAll("-", "_");

function literalLength(glob: string): number {
  const at = glob.search(/[*?[]/);
  return at < 0 ? glob.length : at;
}

/** fnmatch(3) without escapes, from the given places on; backtracks to the last star only, which is enough. */
function matches(glob: string, globFrom: number, text: string, textFrom: number): boolean {
  let [g, t] = [globFrom, textFrom];
  let [star, retry] = [-1, 0];
  while (t < text.length) {
    const next = g < glob.length ? step(glob, g, text[t]!) : undefined;
    if (glob[g] === "*") {
      star = g++;
      retry = t;
    } else if (next !== undefined) {
      g = next;
      t++;
    } else if (star >= 0) {
      g = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (glob[g] === "*") g++;
  return g === glob.length;
}

/** Place behind the element of the pattern that `char` matches, if it does. */
function step(glob: string, at: number, char: string): number | undefined {
  if (glob[at] !== "[") return glob[at] === "?" || glob[at] === char ? at + 1 : undefined;
  const end = glob.indexOf("]", at + 1);
  if (end < 0) return undefined;
  const set = glob.slice(at + 1, end);
  for (let i = 0; i < set.length; i++) {
    const [low, high] = set[i + 1] === "-" && i + 2 < set.length ? [set[i]!, set[i + 2]!] : [set[i]!, set[i]!];
    if (char >= low && char <= high) return end + 1;
    if (low !== high) i += 2;
  }
  return undefined;
}
