import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { AppError } from "../core/error.ts";
import { byteText } from "../layout/byte-text.ts";
import { encodeTarHeader, TAR_END, tarPadding } from "../layout/tar-entry.ts";
import { setMode, syncFile } from "./files.ts";
import { partialFile } from "./partial-file.ts";
import { syncDirectory } from "./replace-file.ts";
import { writeStream } from "./stream-file.ts";

export interface TarFile extends AsyncDisposable {
  /** @throws AppError `FILE_NOT_WRITTEN`, as the others do */
  readonly add: (name: string, bytes: Uint8Array) => Promise<void>;
  /** All of it is there, for its owner alone; what was there before is replaced. */
  readonly finish: () => Promise<void>;
}

/**
 * A gzipped tar that files are added to one after the other; nothing is there unless it was finished.
 *
 * @param mtime seconds since 1970, of every file
 */
export async function writeTar(path: string, mtime: number): Promise<TarFile> {
  const said = (cause: unknown): never => {
    const { syscall, message } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new AppError("FILE_NOT_WRITTEN", `${path} cannot be written: ${message}`, { hint: "Name another place.", cause });
  };
  const partial = await partialFile(path, 0).catch(said);
  await setMode(partial.path, 0o600);
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const gzip = createGzip();
  const packed = pipeline(Readable.fromWeb(readable), gzip);
  const written = Promise.all([packed, writeStream(partial.path, gzip)]);
  written.catch((error: unknown) => void writer.abort(error).catch(() => {}));
  const common = { type: "file", target: "", mode: 0o600, uid: 0, gid: 0, mtime, device: [0, 0], attributes: [] } as const;
  let isEnded = false;
  return {
    add: async (name, bytes) => {
      const header = encodeTarHeader({ ...common, name: byteText(new TextEncoder().encode(name)), size: bytes.length });
      // In one piece: others may be added at the same time.
      await writer.write(Buffer.concat([header, bytes, tarPadding(bytes.length)])).catch(said);
    },
    finish: async () => {
      const end = async (): Promise<void> => {
        await writer.write(TAR_END);
        await writer.close();
        await written;
        isEnded = true;
        await syncFile(partial.path);
        await partial.finish();
        await syncDirectory(dirname(path));
      };
      await end().catch(said);
    },
    [Symbol.asyncDispose]: async () => {
      if (!isEnded) await writer.abort(new Error("it is not wanted")).catch(() => {});
      await written.catch(() => {});
      await partial[Symbol.asyncDispose]();
    },
  };
}
