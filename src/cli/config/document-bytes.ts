/** The machine configs that are named on a command line, as they are. */
import { resolve } from "node:path";
import { InvalidArgumentError, Option } from "commander";
import { AppError } from "../../core/error.ts";
import { readHead, whyNotRead } from "../../host/files.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";
import { UsageError } from "../output.ts";

export const FILES = "machine configs in their order, later ones win; - is what comes on stdin";

/** What documents are called in messages and in the history, in their order. */
export interface OriginOptions {
  readonly origin: readonly string[];
}
const ORIGIN = /^[^\p{Cc}\p{Cs}]{1,200}$/u;

export const originOption = (): Option =>
  new Option(
    "--origin <name>",
    "what the document is called in messages and in the history; once for each document (default: its path)",
  )
    .default([], "its path")
    .argParser((name: string, before: string[]) => {
      if (!ORIGIN.test(name)) throw new InvalidArgumentError("It takes a name of at most 200 characters, in one line.");
      return [...before, name];
    });

export interface DocumentBytes {
  /** How it is called in messages. */
  readonly origin: string;
  /** At most one byte more than is taken, so that what is too long is refused as such. */
  readonly bytes: Uint8Array;
}

const MOST = MACHINE_CONFIG_LIMIT + 1;

/**
 * @param input what comes on stdin
 * @param origins what they are called; none: by their paths
 * @throws AppError `FILE_UNREADABLE`; UsageError
 */
export async function readDocumentBytes(
  { cwd, input }: { readonly cwd: string; readonly input: AsyncIterable<unknown> },
  files: readonly string[],
  origins: readonly string[] = [],
): Promise<DocumentBytes[]> {
  if (origins.length > 0 && origins.length !== files.length)
    throw new UsageError("USAGE", `--origin names ${origins.length} of ${files.length} documents`, {
      hint: "Give it once for each document, in their order.",
    });
  const documents: DocumentBytes[] = [];
  for (const [index, file] of files.entries()) {
    const bytes = file === "-" ? await readInput(input as AsyncIterable<Uint8Array | string>) : await readFile(cwd, file);
    documents.push({ origin: origins[index] ?? (file === "-" ? "stdin" : file), bytes });
  }
  return documents;
}

async function readFile(cwd: string, file: string): Promise<Uint8Array> {
  const bytes = await readHead(resolve(cwd, file), MOST);
  if (bytes) return bytes;
  throw new AppError("FILE_UNREADABLE", `${file} cannot be read: ${await whyNotRead(resolve(cwd, file))}`, {
    hint: "Name the file that holds the machine config.",
  });
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
