import { build } from "esbuild";
import { dirname } from "node:path";

/**
 * One JavaScript module out of a TypeScript program and everything it imports.
 *
 * @param external modules that the program's engine brings
 * @returns the same text for the same sources, wherever they lie
 */
export async function bundle(entry: string, external: readonly string[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    absWorkingDir: dirname(entry),
    bundle: true,
    write: false,
    format: "esm",
    platform: "neutral",
    target: "es2023",
    external: [...external],
    legalComments: "none",
    logLevel: "silent", // failures are thrown
  });
  return outputFiles[0]!.text;
}
