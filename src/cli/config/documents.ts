/** The machine configs that are named on a command line. */
import { resolve } from "node:path";
import { AppError } from "../../core/error.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import { parseDocument, type ParsedDocument } from "../../config/machine/parse.ts";
import { readHead } from "../../host/files.ts";
import type { CliContext } from "../context.ts";

export const FILES = "machine configs in their order, later ones win; - is what comes on stdin";

/** @throws AppError `FILE_UNREADABLE` */
export async function readDocuments(context: CliContext, files: readonly string[]): Promise<ParsedDocument[]> {
  const documents: ParsedDocument[] = [];
  for (const file of files) documents.push(parseDocument(await readDocument(context, file), file === "-" ? "stdin" : file));
  return documents;
}

/** @throws AppError `FILE_UNREADABLE` */
export async function readDocument(context: CliContext, file: string): Promise<Uint8Array> {
  return file === "-" ? await readInput(context) : await readFile(context, file);
}

/** One byte more than is taken, so that what is too long is refused as such. */
const MOST = MACHINE_CONFIG_LIMIT + 1;

async function readFile({ cwd }: CliContext, file: string): Promise<Uint8Array> {
  const bytes = await readHead(resolve(cwd, file), MOST);
  if (bytes) return bytes;
  throw new AppError("FILE_UNREADABLE", `${file} cannot be read`, { hint: "Name the file that holds the machine config." });
}

async function readInput({ terminal }: CliContext): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of terminal.input as AsyncIterable<Uint8Array | string>) {
    const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
    chunks.push(bytes);
    size += bytes.length;
    if (size > MOST) break;
  }
  return Buffer.concat(chunks);
}
