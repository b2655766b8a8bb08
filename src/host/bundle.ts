import { build, type BuildOptions } from "esbuild";
import { dirname } from "node:path";

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
  const define = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)]));
  return await bundled(entry, {
    // Not "node": of packages that have both it would take CommonJS, which asks for Node's modules in a way that a module cannot.
    ...{ platform: "neutral", target: "node26", mainFields: ["module", "main"], external: ["node:*"] },
    ...{ minifyWhitespace: true, minifySyntax: true, define },
  });
}

async function bundled(entry: string, options: BuildOptions): Promise<string> {
  const { outputFiles } = await build({
    ...options,
    entryPoints: [entry],
    absWorkingDir: dirname(entry),
    bundle: true,
    write: false,
    format: "esm",
    legalComments: "none",
    logLevel: "silent", // failures are thrown
  });
  return outputFiles[0]!.text;
}
