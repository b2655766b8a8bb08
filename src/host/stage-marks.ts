import { readdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { runOf, stageMark } from "../layout/run-config.ts";
import { removeFile } from "./files.ts";

/** Which runs of stages have something to do from now on: their services look for it before they start. @param root where the running system is: `/` */
export async function markStages(root: string, stages: readonly string[]): Promise<void> {
  const wanted = new Set(stages.map((stage) => basename(stageMark(runOf(stage)))));
  const folder = join(root, dirname(stageMark("")));
  const prefix = basename(stageMark(""));
  const marks = (await readdir(folder)).filter((name) => name.startsWith(prefix));
  for (const name of marks) if (!wanted.has(name)) await removeFile(join(folder, name));
  for (const name of wanted) await writeFile(join(folder, name), "", { mode: 0o600 });
}
