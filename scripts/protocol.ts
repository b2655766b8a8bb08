/**
 * What is made from the contract in `proto/`: the TypeScript of `src/protocol`, and `proto/published.txtpb`, the contract as it was last. A contract
 * that breaks with that one is refused. Source: https://buf.build/docs/breaking/rules/ (FILE)
 */
import { glob, mkdtempDisposable, readFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { tmpdir } from "node:os";
import { fileExists } from "../src/host/files.ts";
import { run } from "../src/host/run.ts";

const PUBLISHED = "proto/published.txtpb";
const FOLDER = "src/protocol";

/** Texts by path. @param top of the clone @throws CommandError what lint or the comparison finds */
export async function protocolFiles(top: string): Promise<Map<string, string>> {
  await using work = await mkdtempDisposable(join(tmpdir(), "petrify-protocol-"));
  const programs = join(top, "node_modules/.bin");
  // It keeps a cache, and starts the generator by its name.
  const env = { PATH: `${dirname(process.execPath)}${delimiter}${programs}`, HOME: work.path };
  const buf = async (...args: string[]): Promise<unknown> => await run([join(programs, "buf"), ...args], { cwd: top, env });
  await buf("lint");
  await buf("format", "--diff", "--exit-code");
  if (await fileExists(join(top, PUBLISHED))) await buf("breaking", "--against", PUBLISHED);
  await buf("generate", "--output", work.path);
  await buf("build", "--exclude-source-info", "--output", join(work.path, PUBLISHED.replaceAll("/", "-")));
  const files = new Map([[PUBLISHED, await readFile(join(work.path, PUBLISHED.replaceAll("/", "-")), "utf8")]]);
  const made = join(work.path, FOLDER);
  for await (const name of glob("**/*.ts", { cwd: made }))
    files.set(join(FOLDER, name), await readFile(join(made, name), "utf8"));
  return files;
}
