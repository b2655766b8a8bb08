/** Where named VMs lie: `STATE/vms/NAME`, each made, and removed, by one rename. docs/formats/vm.md */
import { join } from "node:path";
import { nearest } from "../../config/nearest.ts";
import { AppError } from "../../core/error.ts";
import { claimName, fileExists, listFolder, makeFolder, makePrivate, readText } from "../../host/files.ts";
import { replaceFile, syncDirectory } from "../../host/replace-file.ts";
import { defaultStateFolder } from "../../host/state-folder.ts";
import { workDir } from "../../host/work-dir.ts";
import { decodeNamedVm, encodeNamedVm, requireVmName, VM_FILES, type NamedVm } from "../../vm/named-vm.ts";
import type { CliContext } from "../context.ts";

type StoreContext = Pick<CliContext, "env" | "caller" | "run">;

export interface VmStore {
  /** Sorted. */
  names(): Promise<string[]>;
  folderOf(name: string): string;
  has(name: string): Promise<boolean>;
  /** @throws AppError `VM_NAME_INVALID`, `NO_SUCH_VM` with the nearest name, `VM_UNREADABLE` */
  read(name: string): Promise<NamedVm>;
  /** The same without its description, which may be damaged. */
  requireName(name: string): Promise<void>;
  /**
   * @param fill puts the disk, and what else it has, into a folder that nobody else sees yet; `work` is thrown away
   * @throws AppError `VM_EXISTS`
   */
  add(name: string, fill: (folder: string, work: string) => Promise<NamedVm>): Promise<NamedVm>;
  /** Removes a machine that does not run: its caller has the lock. */
  remove(name: string): Promise<void>;
}

export function openStore({ env, caller, run }: StoreContext): VmStore {
  const state = defaultStateFolder(env);
  const folder = join(state, "vms");
  // On the same file system; a process that is killed leaves its part here, and the next one sweeps it.
  const work = join(state, "vms-work");
  const names = async (): Promise<string[]> => ((await fileExists(folder)) ? await listFolder(folder) : []);
  const folderOf = (name: string): string => join(folder, name);
  const has = async (name: string): Promise<boolean> => (await names()).includes(name);
  const requireName = async (name: string): Promise<void> => {
    const all = await names();
    if (all.includes(name)) return;
    requireVmName(name);
    const near = nearest(name, all);
    throw new AppError("NO_SUCH_VM", `there is no VM ${name}`, {
      hint: near ? `Did you mean ${near}?` : "Make one: `petrify vm create NAME IMAGE`.",
    });
  };
  return {
    names,
    folderOf,
    has,
    requireName,
    read: async (name) => {
      await requireName(name);
      return decodeNamedVm(name, await readText(join(folderOf(name), VM_FILES.description)).catch(() => ""));
    },
    add: async (name, fill) => {
      await using temporary = await workDir(work, caller, run);
      const made = join(temporary.path, "vm");
      await makeFolder(made);
      await makePrivate(made);
      const vm = await fill(made, temporary.path);
      await replaceFile(join(made, VM_FILES.description), encodeNamedVm(vm), 0o600);
      if (!(await claimName(made, folderOf(name)))) {
        throw new AppError("VM_EXISTS", `there is a VM ${name} already`, { hint: "Choose another name." });
      }
      await syncDirectory(folder);
      return vm;
    },
    remove: async (name) => {
      await using temporary = await workDir(work, caller, run);
      if (!(await claimName(folderOf(name), join(temporary.path, "vm")))) throw new Error("a new folder has a vm in it");
      await syncDirectory(folder);
    },
  };
}
