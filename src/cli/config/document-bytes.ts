/** The machine configs that are named on a command line, as they are. */
import { resolve } from "node:path";
import { AppError } from "../../core/error.ts";
import { readHead } from "../../host/files.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";

export const FILES = "machine configs in their order, later ones win; - is what comes on stdin";

export interface DocumentBytes {
  /** How it is called in messages. */
  readonly origin: string;
  /** At most one byte more than is taken, so that what is too long is refused as such. */
  readonly bytes: Uint8Array;
}

const MOST = MACHINE_CONFIG_LIMIT + 1;

/** @param input what comes on stdin @throws AppError `FILE_UNREADABLE` */
export async function readDocumentBytes(
  { cwd, input }: { readonly cwd: string; readonly input: AsyncIterable<unknown> },
  files: readonly string[],
): Promise<DocumentBytes[]> {
  const documents: DocumentBytes[] = [];
  for (const file of files) {
    documents.push(
      file === "-"
        ? { origin: "stdin", bytes: await readInput(input as AsyncIterable<Uint8Array | string>) }
        : { origin: file, bytes: await readFile(cwd, file) },
    );
  }
  return documents;
}

async function readFile(cwd: string, file: string): Promise<Uint8Array> {
  const bytes = await readHead(resolve(cwd, file), MOST);
  if (bytes) return bytes;
  throw new AppError("FILE_UNREADABLE", `${file} cannot be read`, { hint: "Name the file that holds the machine config." });
}

async function readInput(input: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    chunks.push(bytes);
    size += bytes.length;
    if (size > MOST) break;
  }
  return Buffer.concat(chunks);
}
