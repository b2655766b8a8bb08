import { layoutStore } from "./layout-store.ts";
import { mirroredStore } from "./mirrored-store.ts";
import type { Reference } from "./reference.ts";
import { registryStore, type RegistryContext } from "./registry-store.ts";
import type { ImageStore } from "./store.ts";

/** What a reference leads to; nothing is asked yet. */
export function openStore(reference: Reference, context: RegistryContext): ImageStore {
  if (reference.kind === "layout") return layoutStore(reference.folder);
  const own = registryStore(reference, context);
  const mirrors = context.mirrors ?? [];
  return mirrors.length === 0
    ? own
    : mirroredStore(
        mirrors.map((mirror) => registryStore(mirror.reference, mirror.context)),
        own,
      );
}
