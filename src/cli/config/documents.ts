/** The machine configs that are named on a command line. */
import { parseDocument, type ParsedDocument } from "../../config/machine/parse.ts";
import type { CliContext } from "../context.ts";
import { readDocumentBytes } from "./document-bytes.ts";

/** @throws AppError `FILE_UNREADABLE` */
export async function readDocuments(context: CliContext, files: readonly string[]): Promise<ParsedDocument[]> {
  const documents = await readDocumentBytes(inputOf(context), files);
  return documents.map(({ origin, bytes }) => parseDocument(bytes, origin));
}

/** @throws AppError `FILE_UNREADABLE` */
export async function readDocument(context: CliContext, file: string): Promise<Uint8Array> {
  const [document] = await readDocumentBytes(inputOf(context), [file]);
  return document!.bytes;
}

const inputOf = ({ cwd, terminal }: CliContext) => ({ cwd, input: terminal.input });
