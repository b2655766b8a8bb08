/** `--config FILE` of commands that start virtual machines: a volume that the machine finds it on. docs/concepts/vm.md */
import { Option } from "commander";
import { effectiveConfig } from "../config/machine/merge.ts";
import { parseDocument, requireSound } from "../config/machine/parse.ts";
import { gunzip } from "../host/gunzip.ts";
import type { Tools } from "../host/tools.ts";
import { readDocument } from "./config/documents.ts";
import type { CliContext } from "./context.ts";

/** Makes a volume with a machine config. */
export type ConfigVolumeFor = (
  volume: { readonly path: string; readonly userData: Uint8Array; readonly instance: string; readonly work: string },
  tools: Tools,
  context: CliContext,
) => Promise<void>;

export const configOption = (): Option =>
  new Option("--config <file>", "machine config of the machine; - is what comes on stdin");

/** As it is written, so that the machine says the same lines. @throws AppError `FILE_UNREADABLE`, `MACHINE_CONFIG_INVALID` naming every problem */
export async function soundConfig(context: CliContext, file: string): Promise<Uint8Array> {
  const bytes = await readDocument(context, file);
  const document = parseDocument(bytes, file === "-" ? "stdin" : file);
  requireSound([document]);
  requireSound([effectiveConfig([document], gunzip)]);
  return bytes;
}
