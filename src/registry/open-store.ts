import { registryContext, type RegistrySettings } from "./context.ts";
import { archiveStore } from "./archive-store.ts";
import { layoutStore } from "./layout-store.ts";
import { mirroredStore } from "./mirrored-store.ts";
import type { ArchiveReference, LayoutReference, Reference } from "./reference.ts";
import { registryStore, type RegistryContext } from "./registry-store.ts";
import type { ImageStore } from "./store.ts";
import { webStore } from "./web-store.ts";

/** What a reference leads to; nothing is asked yet. */
export function openStore(reference: Reference, context: RegistryContext): ImageStore {
  if (reference.kind === "web") return webStore(reference, context);
  if (reference.kind !== "registry") return localStore(reference);
  const own = registryStore(reference, context);
  const mirrors = context.mirrors ?? [];
  return mirrors.length === 0
    ? own
    : mirroredStore(
        mirrors.map((mirror) => registryStore(mirror.reference, mirror.context)),
        own,
      );
}

const localStore = (reference: LayoutReference | ArchiveReference): ImageStore =>
  reference.kind === "layout" ? layoutStore(reference.folder) : archiveStore(reference.file);

/** The same with the settings of a person or a machine; connections are kept until the scope ends. @throws AppError as {@link registryContext} */
export async function storeFor(
  reference: Reference,
  settings: RegistrySettings,
): Promise<{ readonly store: ImageStore } & Disposable> {
  if (reference.kind === "layout" || reference.kind === "archive")
    return { store: localStore(reference), [Symbol.dispose]: () => {} };
  const context = await registryContext(settings, reference);
  return { store: openStore(reference, context), [Symbol.dispose]: () => context[Symbol.dispose]() };
}
