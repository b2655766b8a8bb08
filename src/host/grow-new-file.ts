import { open } from "node:fs/promises";

/** A file that is written piece by piece. */
export interface GrowingFile extends AsyncDisposable {
  readonly write: (bytes: Uint8Array) => Promise<void>;
}

/**
 * A file that must not be there yet. It stays, however its writing ends.
 *
 * @param mode permission bits, e.g. `0o600`
 * @throws NodeJS.ErrnoException `EEXIST`: what is there is left alone
 */
export async function growNewFile(path: string, mode: number): Promise<GrowingFile> {
  const file = await open(path, "wx", mode);
  return {
    write: async (bytes) => await file.writeFile(bytes),
    [Symbol.asyncDispose]: async () => {
      await file.sync();
      await file.close();
    },
  };
}
