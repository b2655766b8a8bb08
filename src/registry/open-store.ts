import { layoutStore } from "./layout-store.ts";
import type { Reference } from "./reference.ts";
import { registryStore, type RegistryContext } from "./registry-store.ts";
import type { ImageStore } from "./store.ts";

/** What a reference leads to; nothing is asked yet. */
export const openStore = (reference: Reference, context: RegistryContext): ImageStore =>
  reference.kind === "layout" ? layoutStore(reference.folder) : registryStore(reference, context);
