import { build, type BuildOptions, type Plugin } from "esbuild";
import { basename, dirname } from "node:path";

/**
 * One JavaScript module out of a TypeScript program and everything it imports.
 *
 * @param external modules that the program's engine brings
 * @returns the same text for the same sources, wherever they lie
 */
export async function bundle(entry: string, external: readonly string[]): Promise<string> {
  return await bundled(entry, { platform: "neutral", target: "es2023", external: [...external] });
}

/**
 * The same for Node; what is not needed to run it (comments, blanks) is left out, names stay.
 *
 * @param values of global names that the program declares and nobody defines at run time
 */
export async function bundleForNode(entry: string, values: Readonly<Record<string, string>>): Promise<string> {
  return await bundled(entry, forNode(values));
}

export interface BundlePart {
  /** By which others import it: `petrifyd.mjs`. */
  readonly name: string;
  readonly text: string;
}

/**
 * The same, but what the program imports only while it runs (`await import`) lies in files of its own: until then it is not even read.
 *
 * @param name of the program; those of the parts begin with it
 * @returns the program itself first
 */
export async function bundleInParts(
  entry: string,
  name: string,
  values: Readonly<Record<string, string>>,
): Promise<BundlePart[]> {
  const { outputFiles } = await build({
    ...ONE_MODULE,
    ...forNode(values),
    absWorkingDir: dirname(entry),
    entryPoints: [{ in: entry, out: name }],
    outdir: ".",
    write: false,
    splitting: true,
    chunkNames: `${name}-[name]-[hash]`,
    outExtension: { ".js": ".mjs" },
  });
  const parts = outputFiles.map(({ path, text }) => ({ name: basename(path), text }));
  const isProgram = (part: BundlePart): boolean => part.name === `${name}.mjs`;
  return [...parts.filter(isProgram), ...parts.filter((part) => !isProgram(part))];
}

/**
 * Node's modules as they are, not by `import`: for that Node reads every property of a module, also those that load something when they are read.
 * Of `node:http` that is a second HTTP client, which would take a third of the CPU time until the agent answers. `await import` stays what it is.
 */
const NODE_MODULES: Plugin = {
  name: "node-modules",
  setup: (building) => {
    building.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === "dynamic-import" ? { path, external: true } : { path, namespace: "node-modules" },
    );
    building.onLoad({ filter: /^/, namespace: "node-modules" }, ({ path }) => ({ contents: nodeModule(path) }));
  },
};

/** What a program does not use of it is left out. */
function nodeModule(path: string): string {
  const names = Object.keys(process.getBuiltinModule(path) ?? {}).filter(
    (name) => /^[a-z_$][\w$]*$/i.test(name) && name !== "default",
  );
  return [
    `const module = /* @__PURE__ */ process.getBuiltinModule(${JSON.stringify(path)});`,
    "const property = (name) => module[name];",
    ...names.toSorted().map((name) => `export const ${name} = /* @__PURE__ */ property("${name}");`),
    "export default module;",
  ].join("\n");
}

const forNode = (values: Readonly<Record<string, string>>): BuildOptions => ({
  // Not "node": of packages that have both it would take CommonJS, which asks for Node's modules in a way that a module cannot.
  ...{ platform: "neutral", target: "node26", mainFields: ["module", "main"], plugins: [NODE_MODULES] },
  ...{ minifyWhitespace: true, minifySyntax: true },
  define: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)])),
});

const ONE_MODULE: BuildOptions = {
  bundle: true,
  format: "esm",
  legalComments: "none",
  logLevel: "silent", // failures are thrown
};

async function bundled(entry: string, options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    ...ONE_MODULE,
    ...options,
    absWorkingDir: dirname(entry),
    entryPoints: [entry],
    write: false,
  });
  return outputFiles[0]!.text;
}
