/** Where this machine finds its config. docs/formats/machine-config.md */
import { join } from "node:path";
import { listFolder, readHead } from "../host/files.ts";
import { MACHINE_CONFIG_LIMIT } from "../layout/machine-config-place.ts";
import type { ConfigDocument } from "./config/generation-files.ts";

export interface FoundConfig {
  /** In their order: later ones win. */
  readonly documents: readonly ConfigDocument[];
  /** What is there and cannot be used, a sentence each. */
  readonly problems: readonly string[];
}

const OEM = "/oem";

/** The documents of the oem partition, by name. Never throws. */
export async function findConfig(): Promise<FoundConfig> {
  const documents: ConfigDocument[] = [];
  const problems: string[] = [];
  const names: readonly string[] = await listFolder(OEM).catch(() => []);
  for (const name of names.filter((one) => one.endsWith(".yaml"))) {
    const origin = join(OEM, name);
    const bytes = await readHead(origin, MACHINE_CONFIG_LIMIT + 1).catch(() => undefined);
    const text = bytes && decoded(bytes);
    if (text === undefined) problems.push(`${origin} cannot be read as text`);
    else documents.push({ origin, text });
  }
  return { documents, problems };
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
