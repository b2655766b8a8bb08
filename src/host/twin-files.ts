/** Two files that hold one thing, so that a write that is cut leaves the other one. */
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileExists } from "./files.ts";
import { replaceFile } from "./replace-file.ts";

/** What one file says: numbered-text.ts. */
export type Twin<T> =
  | { readonly is: "whole"; readonly sequence: number; readonly value: T }
  /** Undamaged, of newer software: left alone. */
  | { readonly is: "newer"; readonly sequence: number }
  | { readonly is: "unreadable" };
export interface TwinKind<T> {
  readonly names: readonly [string, string];
  /** @returns a whole file, of the same size each time */
  readonly encode: (value: T, sequence: number) => Uint8Array;
  /** Never throws. */
  readonly decode: (bytes: Uint8Array) => Twin<T>;
}
export interface TwinFiles<T> {
  /** Of the newest whole file. */
  readonly found: T | undefined;
  /** Of the other one; the same, or what was there before it. */
  readonly older: T | undefined;
  /** A file was written by newer software: both are left alone. */
  readonly isNewer: boolean;
  /** A file is there, and not whole. */
  readonly isDamaged: boolean;
  /** Why a file that is there could not be read, a few words each. */
  readonly unread: readonly string[];
  /** Durable when it returns; nothing where {@link isNewer}. @throws NodeJS.ErrnoException: what was there before is still there */
  readonly store: (value: T) => Promise<void>;
}

/**
 * Opens the files in a folder, which is made where it is missing.
 *
 * Both get their full size with the first value and are overwritten in place from then on, so a partition without a free byte or inode can still be written to. Never
 * throws: what cannot be read is said.
 */
export async function openTwins<T>(folder: string, { names, encode, decode }: TwinKind<T>): Promise<TwinFiles<T>> {
  const unread: string[] = [];
  const read = async (name: string): Promise<Twin<T> | undefined> => {
    try {
      return decode(await readFile(join(folder, name)));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT") unread.push(message);
      return undefined;
    }
  };
  const twins = await Promise.all(names.map(read));
  const isNewer = twins.some((twin) => twin?.is === "newer");
  const whole = twins.map((twin) => (twin?.is === "whole" ? twin : undefined));
  const [one, two] = whole;
  const newest = two && (!one || two.sequence > one.sequence) ? 1 : 0;
  const older = whole[1 - newest]?.value;
  let next = whole[newest] ? 1 - newest : 0;
  let sequence = whole[newest]?.sequence ?? 0;
  return {
    ...{ found: whole[newest]?.value, older, isNewer, isDamaged: twins.some((twin) => twin?.is === "unreadable"), unread },
    store: async (value) => {
      if (isNewer) return;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const data = encode(value, sequence + 1);
      await overwrite(join(folder, names[next]!), data);
      sequence++;
      next = 1 - next;
      // The other one gets its room now, while there is some. Without it this one counts all the same.
      if (!(await fileExists(join(folder, names[next]!)))) await overwrite(join(folder, names[next]!), data).catch(() => {});
    },
  };
}

async function overwrite(path: string, data: Uint8Array): Promise<void> {
  if (!(await fileExists(path))) {
    await replaceFile(path, data, 0o600); // never half of one
    return;
  }
  await using file = await open(path, "r+");
  await file.write(data, 0, data.length, 0);
  await file.sync();
}
