import { resolve } from "node:path";
import { registryContext } from "../registry/context.ts";
import { openStore } from "../registry/open-store.ts";
import { parseReference, type Reference } from "../registry/reference.ts";
import type { ImageStore } from "../registry/store.ts";
import type { CliContext } from "./context.ts";

export interface NamedStore extends Disposable {
  readonly store: ImageStore;
  readonly reference: Reference;
}

/** The store that somebody named, with the settings of the process; connections are kept until the scope ends. @throws AppError `REFERENCE_INVALID` */
export async function openNamedStore(text: string, { cwd, env, run, random, clock }: CliContext): Promise<NamedStore> {
  const reference = parseReference(text);
  const own = { environment: env, run, now: clock, random: () => Buffer.from(random(4)).readUInt32LE() / 2 ** 32 };
  if (reference.kind === "layout") {
    const found = { ...reference, folder: resolve(cwd, reference.folder) };
    const context = await registryContext(own, { registry: "localhost", repository: "none" });
    return { reference, store: openStore(found, context), [Symbol.dispose]: () => context[Symbol.dispose]() };
  }
  const context = await registryContext(own, reference);
  return { reference, store: openStore(reference, context), [Symbol.dispose]: () => context[Symbol.dispose]() };
}

/** What of the store was named. */
export const wantedOf = ({ tag, digest }: Reference): string | undefined => digest ?? tag;
