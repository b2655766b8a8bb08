import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "./run.ts";
import { inUserNamespace, type Caller } from "./tools.ts";

/** A private folder for the length of one operation; removed, whoever owns its files, when the scope ends. */
export interface WorkDir extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes `PARENT/PID-RANDOM` and sweeps what killed processes left beside it.
 *
 * A folder is swept when no process has its pid any more: two builds at once never touch each other's.
 */
export async function workDir(parent: string, caller: Caller, run: Run): Promise<WorkDir> {
  const remove = async (path: string): Promise<void> => {
    await run(inUserNamespace(caller, ["rm", "--recursive", "--force", "--one-file-system", "--", path]));
  };
  await mkdir(parent, { recursive: true });
  for (const name of await readdir(parent)) {
    const pid = /^(\d+)-/.exec(name)?.[1];
    if (pid && !existsSync(`/proc/${pid}`)) await remove(join(parent, name));
  }
  const path = join(parent, `${process.pid}-${randomBytes(4).toString("hex")}`);
  await mkdir(path);
  return { path, [Symbol.asyncDispose]: async () => await remove(path) };
}
