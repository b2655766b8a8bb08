import { basename, join } from "node:path";
import { AppError } from "../../core/error.ts";
import { isFolder, listFolder, readBytes } from "../../host/files.ts";
import { machineArchive, machineOfFile, requireMachineConfig, type MachineName } from "../../layout/machine-archive.ts";

/**
 * The machine configs of `--config`, as machines get them: one file for every machine, or a folder with one for each.
 *
 * @throws AppError `MACHINE_CONFIG_INVALID`, `FILE_UNREADABLE`
 */
export async function machineArchives(path: string): Promise<ReadonlyMap<MachineName, Uint8Array>> {
  if (!(await isFolder(path))) return new Map([["default", await archiveOf(path)]]);
  const machines = new Map<MachineName, Uint8Array>();
  const invalid = (why: string): AppError =>
    new AppError("MACHINE_CONFIG_INVALID", `${path} ${why}`, {
      hint: "It has a MAC.yaml for each machine, e.g. 52-54-00-12-34-56.yaml, and default.yaml for the others.",
    });
  for (const file of (await listFolder(path)).filter((name) => !name.startsWith("."))) {
    const name = machineOfFile(file);
    if (name === undefined) throw invalid(`has ${JSON.stringify(file)}, which is no machine's`);
    if (machines.has(name)) throw invalid(`has two files for ${name}`);
    machines.set(name, await archiveOf(join(path, file)));
  }
  if (machines.size === 0) throw invalid("has no file");
  return machines;
}

async function archiveOf(path: string): Promise<Uint8Array> {
  const text = await readBytes(path).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AppError("FILE_UNREADABLE", `${path} cannot be read (${code})`, { cause });
  });
  requireMachineConfig(text, basename(path));
  return machineArchive(text);
}
