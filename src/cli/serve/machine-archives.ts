import { basename, join } from "node:path";
import { parseMachineConfig, type MachineConfig } from "../../config/machine-config.ts";
import { AppError } from "../../core/error.ts";
import { isFolder, listFolder, readText } from "../../host/files.ts";
import { parseDiskName } from "../../layout/choose-disk.ts";
import { machineArchive, machineOfFile, type MachineName } from "../../layout/machine-archive.ts";

/** What a machine is served. */
export interface ServedMachine {
  readonly config: MachineConfig;
  readonly archive: Uint8Array;
}

/**
 * The machine configs of `--config`, as machines get them: one file for every machine, or a folder with one for each.
 *
 * @throws AppError `MACHINE_CONFIG_INVALID`, `DEVICE_NAME_INVALID`, `FILE_UNREADABLE`
 */
export async function machineArchives(path: string): Promise<ReadonlyMap<MachineName, ServedMachine>> {
  if (!(await isFolder(path))) return new Map([["default", await machineOf(path)]]);
  const machines = new Map<MachineName, ServedMachine>();
  const invalid = (why: string): AppError =>
    new AppError("MACHINE_CONFIG_INVALID", `${path} ${why}`, {
      hint: "It has a MAC.yaml for each machine, e.g. 52-54-00-12-34-56.yaml, and default.yaml for the others.",
    });
  for (const file of (await listFolder(path)).filter((name) => !name.startsWith("."))) {
    const name = machineOfFile(file);
    if (name === undefined) throw invalid(`has ${JSON.stringify(file)}, which is no machine's`);
    if (machines.has(name)) throw invalid(`has two files for ${name}`);
    machines.set(name, await machineOf(join(path, file)));
  }
  if (machines.size === 0) throw invalid("has no file");
  return machines;
}

/** Judged here as the machine will: better now than in front of it. */
async function machineOf(path: string): Promise<ServedMachine> {
  const text = await readText(path).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    throw new AppError("FILE_UNREADABLE", `${path} cannot be read (${code})`, { cause });
  });
  const config = parseMachineConfig(text, basename(path));
  if (config.install.device !== undefined) parseDiskName(config.install.device);
  return { config, archive: machineArchive(new TextEncoder().encode(text)) };
}
