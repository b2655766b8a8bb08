/** An owner for a system that runs from memory, whose config names a disk: it is installed there with everything, and is the owner's from its first boot on. docs/concepts/pki.md */
import { AppError } from "../../core/error.ts";
import { NODE_KEY_FILE } from "../../host/node-key.ts";
import { API_FOLDER } from "../../layout/api-places.ts";
import type { InstallRequest, OemFile } from "../../layout/install.ts";
import type { InstallWish } from "../../layout/install-words.ts";
import { MACHINE_CONFIG_FILE } from "../../layout/installation.ts";
import type { ConfigDocument } from "../config/generation-files.ts";
import type { ConfigService } from "../config/service.ts";
import { DATA_FOLDERS } from "../degraded.ts";
import type { Installer } from "./installer.ts";

export interface EnrolmentInMemory {
  /**
   * Every refusal is before anything is written. What becomes of it then, the status says.
   *
   * @param files of the API's folder, by their names
   * @returns the disk; nothing where no document names one
   * @throws AppError `ENROLLED`, `INSTALL_RUNNING`, the first reason against the disk, those of applying a config
   */
  readonly install: (
    documents: readonly ConfigDocument[],
    files: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ) => Promise<string | undefined>;
}

interface EnrolledDiskPorts {
  readonly installer: Pick<Installer, "plan" | "install" | "status">;
  readonly config: Pick<ConfigService, "apply">;
  /** The machine's own, by which its owner knows it: PEM. */
  readonly key: () => Promise<string>;
  readonly log: (level: "info" | "alarm", line: string) => void;
}

export function enrolmentInMemory({ installer, config, key, log }: EnrolledDiskPorts): EnrolmentInMemory {
  /** Of the image that runs, which is the one that is installed. */
  const judge = async (documents: readonly ConfigDocument[], signal: AbortSignal): Promise<void> => {
    await config.apply({ documents, mode: "dry-run" }, signal).catch((error: unknown) => {
      // This boot has no loader that could be told; the disk has. It is said once all else is found good.
      if (!(error instanceof AppError) || error.code !== "KERNEL_ARGS_UNSUPPORTED") throw error;
    });
  };
  const carryOut = async (request: InstallRequest): Promise<void> => {
    try {
      // Whoever has asked for it need not listen.
      await Array.fromAsync(installer.install(request, new AbortController().signal));
    } catch (error) {
      log("alarm", `this machine has no owner yet, for it cannot be installed: ${(error as Error).message}`);
    }
  };
  return {
    install: async (documents, files, signal) => {
      if (installer.status()?.is === "done") {
        throw new AppError("ENROLLED", "this machine is installed already, and has what it was installed with", {
          hint: "Start it from its disk.",
        });
      }
      const { device, wipe = false, after = "reboot" } = await wishOf(documents);
      if (device === undefined) return undefined;
      await judge(documents, signal);
      const { disk } = await installer.plan({ device, wipe }, signal);
      const own = { path: NODE_KEY_FILE, text: await key() };
      void carryOut({ device: disk.target.path, wipe, after, files: [own, ...filesOf(documents, files)] });
      return disk.target.path;
    },
  };
}

/** Later documents win. The parser is loaded only where there is something to parse. @throws AppError `MACHINE_CONFIG_INVALID` */
async function wishOf(documents: readonly ConfigDocument[]): Promise<InstallWish> {
  const { parseMachineConfig } = await import("../../config/machine-config.ts");
  return documents.reduce<InstallWish>(
    (wish, { origin, text }) => ({ ...wish, ...parseMachineConfig(text, origin).install }),
    {},
  );
}

/** Of the oem partition, where the first boot reads documents by their names. */
function filesOf(documents: readonly ConfigDocument[], api: Readonly<Record<string, string>>): readonly OemFile[] {
  const nameOf = (index: number): string =>
    documents.length === 1 ? MACHINE_CONFIG_FILE : `machine-${String(index + 1).padStart(3, "0")}.yaml`;
  const folder = API_FOLDER.slice(DATA_FOLDERS.oem.length + 1);
  return [
    ...documents.map(({ text }, index) => ({ path: nameOf(index), text })),
    ...Object.entries(api).map(([name, text]) => ({ path: `${folder}/${name}`, text })),
  ];
}
