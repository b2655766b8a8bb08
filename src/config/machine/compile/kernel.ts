/** @portable `sysctl` and `modules`. */
import type { ConfiguredModule, NodeConfig } from "../node-config.ts";
import type { Labels } from "./files.ts";
import type { ImageView } from "./image-view.ts";
import { isOneLine, markedFile, type Part, type Unsupported } from "./part.ts";

/** Source: sysctl.d(5); an interface's name may have a dot, so slashes are taken, too. */
const SYSCTL = /^-?[A-Za-z0-9_*][A-Za-z0-9_*@.:/-]{0,255}$/;
const MODULE = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
/** Lines of modprobe.d(5) end in words; a backslash would join two. */
const OPTIONS = /^[^\p{Cc}\\#]{1,1000}$/u;
const MODULES = "/usr/lib/modules";

export function compileSysctl({ sysctl }: NodeConfig): Part {
  const entries = Object.entries(sysctl);
  const unsupported = entries.flatMap(([name, value]): Unsupported[] => {
    const key = `sysctl[${name}]`;
    if (!SYSCTL.test(name) || name.includes("..")) return [{ key, problem: "is no name of a kernel parameter" }];
    return isOneLine(value) ? [] : [{ key, problem: "must be one line" }];
  });
  const wrong = new Set(unsupported.map(({ key }) => key));
  const lines = entries.filter(([name]) => !wrong.has(`sysctl[${name}]`)).map(([name, value]) => `${name} = ${value}`);
  // The names last in order count; systemd, OpenRC and procps read this folder.
  return { unsupported, drafts: lines.length === 0 ? [] : [markedFile("sysctl", "/etc/sysctl.d/90-petrify.conf", lines)] };
}

export function compileModules({ modules }: NodeConfig, view: ImageView, labels: Labels): Part {
  const unsupported: Unsupported[] = [];
  const wanted: ConfiguredModule[] = [];
  const isThere = moduleNames(view);
  for (const module of modules) {
    const key = labels.get(module) ?? `modules[${module.name}]`;
    const { name, options, blacklist } = module;
    if (!MODULE.test(name)) unsupported.push({ key, problem: "is no name of a kernel module" });
    else if (options !== undefined && !OPTIONS.test(options))
      unsupported.push({ key: `${key}.options`, problem: "must be one line without # and \\" });
    else if (!blacklist && isThere && !isThere.has(plain(name))) {
      const hint = "Put a kernel that has it into the recipe: boot.kernel.";
      unsupported.push({ key, problem: "is no module of the image's kernel", hint });
    } else wanted.push(module);
  }
  const loaded = wanted.filter(({ blacklist }) => !blacklist).map(({ name }) => name);
  const rules = wanted.flatMap(({ name, options, blacklist }) => [
    ...(options === undefined ? [] : [`options ${name} ${options}`]),
    // The first keeps it from being loaded for a device, the second by its name. Source: modprobe.d(5)
    ...(blacklist ? [`blacklist ${name}`, `install ${name} /bin/false`] : []),
  ]);
  return {
    unsupported,
    drafts: [
      ...(loaded.length > 0 ? [markedFile("modules", "/etc/modules-load.d/petrify.conf", loaded)] : []),
      ...(rules.length > 0 ? [markedFile("modules", "/etc/modprobe.d/90-petrify.conf", rules)] : []),
    ],
  };
}

/** What the image's kernel has, built in or not; nothing where nobody can tell. */
function moduleNames(view: ImageView): Set<string> | undefined {
  const texts = view
    .list(MODULES)
    .flatMap((release) => ["modules.dep", "modules.builtin"].map((file) => view.read(`${MODULES}/${release}/${file}`)))
    .filter((text) => text !== undefined);
  if (texts.length === 0) return undefined;
  const paths = texts.flatMap((text) => [...text.matchAll(/^(?:\S*\/)?([^/\s:]+)\.ko(?:\.[a-z]+)?:?/gm)]);
  return new Set(paths.map(([, name]) => plain(name!)));
}

const plain = (name: string): string => name.replaceAll("-", "_");
