/** What running stages needs of a real machine. */
import type { FetchedFile } from "../../config/machine/compile/stage-plan.ts";
import { configMachine } from "../../host/config-machine.ts";
import { downloadFile, isUnsafe } from "../../host/download-file.ts";
import { fileExists, readBytes, readText, removeFile } from "../../host/files.ts";
import type { GenerationStore } from "../../host/generation-store.ts";
import { initSystem } from "../../host/init-detect.ts";
import type { Run } from "../../host/run.ts";
import {
  accountsNow,
  blockDeviceList,
  deviceChanged,
  deviceSignatures,
  findDevice,
  setParameter,
  settleDevices,
} from "../../host/stage-machine.ts";
import { differenceOf, namesOf } from "../../host/tree-state.ts";
import { trustAuthorities } from "../../host/trust-authorities.ts";
import { wait } from "../../host/wait.ts";
import { AUTHORITIES_PATH } from "../../layout/authorities-path.ts";
import type { TreeEntry } from "../../layout/compiled-config.ts";
import { RUN_FOLDER } from "../../layout/fstab.ts";
import { parseOsRelease } from "../../layout/os-release.ts";
import { ownerIds } from "../../layout/owner-names.ts";
import type { RunFacts } from "../../layout/run-facts.ts";
import type { StagePorts } from "./ports.ts";

export interface StageEdge extends Pick<StagePorts, "isBooting" | "instance" | "sha256" | "uptime" | "now" | "log" | "stopping"> {
  readonly run: Run;
  readonly facts: RunFacts;
  /** As uname(1) says it. */
  readonly architecture: string;
  /** Folder of the agent's own programs. */
  readonly programs: string;
  readonly store: Pick<GenerationStore, "remembered" | "remember">;
}

/** Of a server that a network just up may not reach yet. */
const PAUSES_MS = [2000, 8000] as const;

/** @throws AppError `INIT_UNKNOWN`, `CA_INVALID` */
export async function openStagePorts(edge: StageEdge): Promise<StagePorts> {
  const { run, facts, architecture, programs, store, ...given } = edge;
  const init = await initSystem(run, fileExists);
  const machine = configMachine(run, "/");
  const lsblk = `${programs}/lsblk`;
  const release = await readText("/etc/os-release").catch(async () => await readText("/usr/lib/os-release").catch(() => ""));
  const { ID: os = "", VERSION_ID: osVersion = "" } = parseOsRelease(release);
  let names: ReturnType<typeof namesOf> | undefined;
  return {
    ...given,
    run,
    init: init.kind,
    facts: { os, osVersion, architecture },
    has: fileExists,
    read: async (path) =>
      await readText(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }),
    difference: async (entry) => await differenceOf(entry, await (names ??= namesOf())),
    accounts: accountsNow,
    remembered: store.remembered,
    remember: store.remember,
    lay: async (data) => {
      names = undefined;
      return await machine.lay(data);
    },
    removeEmptyFolder: machine.removeEmptyFolder,
    setHostname: machine.setHostname,
    setParameter,
    download: async (file) => await download(file, { machine, stopping: edge.stopping }),
    disks: {
      own: facts.disk,
      find: async (at) => await findDevice(run, lsblk, at),
      list: async () => await blockDeviceList(run, lsblk),
      signatures: async (path) => await deviceSignatures(run, `${programs}/wipefs`, path),
      settle: async () => await settleDevices(run),
      changed: async (path) => await deviceChanged(run, path),
    },
  };
}

interface DownloadMeans {
  readonly machine: Pick<ReturnType<typeof configMachine>, "lay">;
  readonly stopping: AbortSignal;
}

async function download(file: FetchedFile, { machine, stopping }: DownloadMeans): Promise<void> {
  await trustAuthorities(AUTHORITIES_PATH);
  for (const [attempt, pause] of [...PAUSES_MS, undefined].entries()) {
    try {
      return await fetchOnce(file, machine, stopping);
    } catch (error) {
      if ((error as { readonly code?: string }).code !== "DOWNLOAD_FAILED" || pause === undefined || attempt >= PAUSES_MS.length)
        throw error;
      await wait(pause, stopping);
    }
  }
}

async function fetchOnce(file: FetchedFile, machine: DownloadMeans["machine"], signal: AbortSignal): Promise<void> {
  const { path, url, headers, sha256, mode, owner, append, when } = file;
  const wanted = { url, ...(headers && { headers }), ...(sha256 !== undefined && { sha256 }) };
  if (!append && !(await isUnsafe(path))) {
    const ids = ownerIds(owner, await namesOf()) ?? { uid: 0, gid: 0 };
    return await downloadFile({ ...wanted, path, mode, owner: ids }, signal);
  }
  // By way of the program that follows nobody's links.
  const aside = `${RUN_FOLDER}/download`;
  await downloadFile({ ...wanted, path: aside, mode: 0o600, owner: { uid: 0, gid: 0 }, isSmall: true }, signal);
  try {
    const bytes = Buffer.from(await readBytes(aside));
    const content = append ? { text: bytes.toString("utf8") } : { base64: bytes.toString("base64") };
    const entry: TreeEntry = { path, when, owner, what: { is: "file", mode, content, ...(append && { append: true }) } };
    const [note] = await machine.lay({ homes: [], entries: [entry] });
    if (note !== undefined) throw new Error(note);
  } finally {
    await removeFile(aside);
  }
}
