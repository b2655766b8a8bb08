import type { GenerationStore } from "../../host/generation-store.ts";
import type { GenerationNumber } from "../../layout/generations.ts";
import { readGeneration, type ConfigDocument } from "../config/generation-files.ts";

/** Of the config of this boot, what counts when a config is looked for. */
export interface KeptConfig {
  /** What it was made of. Secret. */
  readonly documents: readonly ConfigDocument[];
  /** Variables of its commands; its proxies are among them. Secret. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Empty where there is none. @throws NodeJS.ErrnoException */
export async function keptConfig(
  store: Pick<GenerationStore, "read">,
  generation: GenerationNumber | undefined,
): Promise<KeptConfig> {
  const kept = generation === undefined ? undefined : await readGeneration(store, generation);
  return { documents: kept?.documents ?? [], environment: kept?.compiled.plan.environment ?? {} };
}
