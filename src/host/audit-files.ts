import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bytes } from "../core/units.ts";
import { AUDIT_FILES, AUDIT_HEAD, type AuditBytes } from "../layout/audit-log.ts";
import { replaceFile, syncDirectory } from "./replace-file.ts";

/** The files of an audit log. docs/formats/audit.md */
export interface AuditFiles {
  /** @throws NodeJS.ErrnoException where one is there and cannot be read */
  readonly read: () => Promise<AuditBytes>;
  /** A whole file. Durable when it returns, as the other one. */
  readonly make: (name: string, bytes: Uint8Array) => Promise<void>;
  /** In place. */
  readonly write: (name: string, offset: Bytes, bytes: Uint8Array) => Promise<void>;
}

/** For root alone. @param folder is made where it is missing */
export const auditFiles = (folder: string): AuditFiles => ({
  read: async () => await readAuditFiles(folder),
  make: async (name, bytes) => {
    if (await mkdir(folder, { recursive: true, mode: 0o700 })) await syncDirectory(join(folder, ".."));
    await replaceFile(join(folder, name), bytes, 0o600);
  },
  write: async (name, offset, bytes) => {
    await using file = await open(join(folder, name), "r+");
    await file.write(bytes, 0, bytes.length, offset);
    await file.datasync();
  },
});

/** @throws NodeJS.ErrnoException */
export async function readAuditFiles(folder: string): Promise<AuditBytes> {
  const read = async (name: string): Promise<Uint8Array | undefined> =>
    await readFile(join(folder, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
  const [head, one, two] = await Promise.all([AUDIT_HEAD, ...AUDIT_FILES].map(read));
  return { files: [one, two], head };
}
