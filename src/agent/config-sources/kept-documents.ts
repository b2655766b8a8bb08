import type { GenerationStore } from "../../host/generation-store.ts";
import type { GenerationNumber } from "../../layout/generations.ts";
import { readGeneration, type ConfigDocument } from "../config/generation-files.ts";

/** What the config of this boot was made of; nothing where there is none. @throws NodeJS.ErrnoException */
export async function keptDocuments(
  store: Pick<GenerationStore, "read">,
  generation: GenerationNumber | undefined,
): Promise<readonly ConfigDocument[]> {
  return generation === undefined ? [] : ((await readGeneration(store, generation))?.documents ?? []);
}
