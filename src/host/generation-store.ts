import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { alignUp, KiB, type Bytes } from "../core/units.ts";
import {
  CONFIG_IDS_NAME,
  decodeConfigSlots,
  encodeConfigSlots,
  generationOf,
  generationsInUse,
  NO_SLOTS,
  SLOTS_NAMES,
  type ConfigSlots,
  type GenerationNumber,
} from "../layout/generations.ts";
import { decodeIds, encodeIds, KINDS, type Kind, type PersistentIds } from "../layout/persistent-ids.ts";
import { fileSize } from "./files.ts";
import { replaceFile, syncDirectory } from "./replace-file.ts";
import { openTwins } from "./twin-files.ts";

/** Machine configs on the oem partition. docs/formats/generations.md */
export interface GenerationStore {
  /** What slots boot with, as it is now. */
  readonly slots: () => ConfigSlots;
  /** Numbers that configured users and groups have had, as they are now. */
  readonly remembered: () => PersistentIds;
  /** What was wrong with what was found, a sentence each. */
  readonly problems: readonly string[];
  /** Newer software has written here: every change throws. */
  readonly readOnly: boolean;
  /** Those that are there, oldest first. */
  readonly list: () => Promise<readonly GenerationNumber[]>;
  /** A file of a generation; nothing where there is none. @throws NodeJS.ErrnoException */
  readonly read: (generation: GenerationNumber, name: string) => Promise<Uint8Array | undefined>;
  /**
   * A new generation; whole, and durable, when it returns. Nothing refers to it yet.
   *
   * @param files by name: `compiled`, and whatever else
   * @throws AppError `CONFIG_NEWER`; NodeJS.ErrnoException: everything is as before
   */
  readonly add: (files: Readonly<Record<string, string | Uint8Array>>) => Promise<GenerationNumber>;
  /** Changes what slots boot with; durable when it returns. The same throws. */
  readonly point: (change: (slots: ConfigSlots) => ConfigSlots) => Promise<void>;
  /** Adds numbers; a name's new one counts. Durable when it returns. The same throws. */
  readonly remember: (ids: PersistentIds) => Promise<void>;
  /** Removes what nothing refers to but the last ones. @returns those that are gone */
  readonly prune: () => Promise<readonly GenerationNumber[]>;
}

/** What is done to a disk, a step at a time: tests cut between them. */
export interface GenerationDisk {
  readonly makeFolder: (path: string) => Promise<void>;
  /** A new file, for root only; its bytes are on the disk. */
  readonly writeFile: (path: string, data: string | Uint8Array) => Promise<void>;
  /** Names in a folder are on the disk. */
  readonly syncFolder: (path: string) => Promise<void>;
  readonly rename: (from: string, to: string) => Promise<void>;
  /** With all that is in it; a file, too. */
  readonly removeFolder: (path: string) => Promise<void>;
}

/** How many are kept that nothing refers to. */
const KEPT = 10;
/** As much room as the generation that was made last takes: for the one that an upgrade makes on a full partition. */
const RESERVE_NAME = "reserve";
const BLOCK: Bytes = 4 * KiB;
/** Once the reserve has gone, others take of it that have waited for room, such as the audit log. */
const OTHERS: Bytes = 64 * KiB;
const PRIVATE = { folder: 0o700, file: 0o600 } as const;

const DISK: GenerationDisk = {
  makeFolder: async (path) => void (await mkdir(path, { recursive: true, mode: PRIVATE.folder })),
  writeFile: async (path, data) => {
    await using file = await open(path, "wx", PRIVATE.file);
    await file.writeFile(data);
    await file.sync();
  },
  syncFolder: syncDirectory,
  rename: async (from, to) => await rename(from, to),
  removeFolder: async (path) => await rm(path, { recursive: true, force: true }),
};

/** Opens the folder, which is made with the first change. Never throws: what cannot be read is said. */
export async function openGenerationStore(folder: string, disk: GenerationDisk = DISK): Promise<GenerationStore> {
  const twins = await openTwins(folder, { names: SLOTS_NAMES, encode: encodeConfigSlots, decode: decodeConfigSlots });
  const ids = await readIds(join(folder, CONFIG_IDS_NAME));
  const problems = [...twins.unread, ...ids.problems];
  const isNewer = twins.isNewer || ids.isNewer;
  if (isNewer) problems.push(`machine configs in ${folder} were written by newer software: they are left alone`);
  else if (twins.isDamaged)
    problems.push(
      `what slots boot with is damaged in ${folder}: ${twins.found ? "the other copy is used" : "nothing is left of it"}`,
    );
  let slots = twins.found ?? NO_SLOTS;
  let remembered = ids.found;

  const list = async (): Promise<GenerationNumber[]> => {
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    return names.flatMap((name) => generationOf(name) ?? []).toSorted((a, b) => a - b);
  };
  const requireOurs = (): void => {
    if (isNewer)
      throw new AppError(
        "CONFIG_NEWER",
        "the machine configs of this machine were written by newer software, and are left alone",
        {
          hint: "Boot the slot with the newer image, or upgrade.",
        },
      );
  };
  const prune = async (kept: number): Promise<GenerationNumber[]> => {
    requireOurs();
    const used = generationsInUse(slots);
    const unused = (await list()).filter((number) => !used.has(number));
    const gone = kept === 0 ? unused : unused.slice(0, -kept);
    for (const number of gone) {
      // Half of one that is being removed is none.
      await disk.rename(join(folder, String(number)), join(folder, `${number}.new`));
      await disk.removeFolder(join(folder, `${number}.new`));
    }
    return gone;
  };
  const write = async (number: GenerationNumber, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> => {
    const fresh = join(folder, `${number}.new`);
    await disk.makeFolder(folder);
    await disk.removeFolder(fresh); // of one that was cut short
    try {
      await disk.makeFolder(fresh);
      for (const [name, data] of Object.entries(files)) await disk.writeFile(join(fresh, name), data);
      await disk.syncFolder(fresh);
      await disk.rename(fresh, join(folder, String(number)));
      await disk.syncFolder(folder);
    } catch (error) {
      await disk.removeFolder(fresh).catch(() => {}); // why it failed is what counts
      throw error;
    }
  };
  const reserve = join(folder, RESERVE_NAME);
  const giveReserve = async (): Promise<boolean> => {
    const was = await fileSize(reserve).catch(() => 0);
    await disk.removeFolder(reserve);
    return was > 0;
  };
  /** As far as there is room for it: a part helps as well. */
  const keepReserve = async (files: Readonly<Record<string, string | Uint8Array>>): Promise<void> => {
    const sizes = Object.values(files).map((data) => alignUp(Buffer.byteLength(data), BLOCK));
    // The folder, and what its name may take.
    const wanted = sizes.reduce((sum, size) => sum + size, 2 * BLOCK + OTHERS);
    if ((await fileSize(reserve).catch(() => 0)) >= wanted) return;
    try {
      await disk.removeFolder(reserve);
      await disk.writeFile(reserve, new Uint8Array(wanted));
    } catch {
      // The generation is there, and that is what counts.
    }
  };
  return {
    slots: () => slots,
    remembered: () => remembered,
    ...{ problems, readOnly: isNewer, list },
    read: async (generation, name) =>
      await readFile(join(folder, String(generation), name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }),
    add: async (files) => {
      requireOurs();
      const number = Math.max(0, ...(await list()), ...generationsInUse(slots)) + 1;
      const ways = [async () => (await prune(0)).length > 0, giveReserve];
      for (;;) {
        try {
          await write(number, files);
          break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
          let isRoom = false;
          while (!isRoom && ways.length > 0) isRoom = await ways.shift()!();
          if (!isRoom) throw error;
        }
      }
      await keepReserve(files);
      return number;
    },
    point: async (change) => {
      requireOurs();
      const next = change(slots);
      await twins.store(next);
      slots = next;
    },
    remember: async (more) => {
      requireOurs();
      const both = { user: joined(remembered, more, "user"), group: joined(remembered, more, "group") };
      if (KINDS.every((kind) => both[kind].size === remembered[kind].size) && encodeIds(both) === encodeIds(remembered)) return;
      await disk.makeFolder(folder);
      await replaceFile(join(folder, CONFIG_IDS_NAME), Buffer.from(encodeIds(both), "latin1"), PRIVATE.file);
      remembered = both;
    },
    prune: async () => await prune(KEPT),
  };
}

/** No two names have one number: whoever had one that is given to another name now has none. */
function joined(old: PersistentIds, more: PersistentIds, kind: Kind): PersistentIds[Kind] {
  const given = new Set(more[kind].values());
  return new Map([...[...old[kind]].filter(([name, id]) => !more[kind].has(name) && !given.has(id)), ...more[kind]]);
}

async function readIds(path: string): Promise<{ found: PersistentIds; isNewer: boolean; problems: readonly string[] }> {
  const none: PersistentIds = { user: new Map(), group: new Map() };
  try {
    const decoded = decodeIds(await readFile(path, "latin1"));
    if (decoded.is === "whole") return { found: decoded.value, isNewer: false, problems: [] };
    const problems = decoded.is === "damaged" ? ["the numbers of configured users are damaged, and begin anew"] : [];
    return { found: none, isNewer: decoded.is === "newer", problems };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { found: none, isNewer: false, problems: code === "ENOENT" ? [] : [message] };
  }
}
