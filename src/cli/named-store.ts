import { resolve } from "node:path";
import type { Command } from "commander";
import { storeFor } from "../registry/open-store.ts";
import { parseReference, type Reference } from "../registry/reference.ts";
import { referenceWithin } from "./reference-within.ts";
import type { ImageStore } from "../registry/store.ts";
import type { CliContext } from "./context.ts";

/** Options of every command that reaches a registry. */
export interface StoreOptionsOfUser {
  readonly registries?: string;
  readonly ca?: string;
}
export const addStoreOptions = (command: Command): Command =>
  command
    .option("--registries <file>", "settings of mirrors, authorities and plain HTTP (default: ~/.config/petrify/registries.yaml)")
    .option("--ca <file>", "trust the authorities in this file (PEM) besides the public ones");

export interface NamedStore extends Disposable {
  readonly store: ImageStore;
  readonly reference: Reference;
}

/**
 * The store that somebody named, with the settings of the process; connections are kept until the scope ends.
 *
 * @throws AppError `REFERENCE_INVALID`, `CA_INVALID`, `REGISTRIES_INVALID`
 */
export async function openNamedStore(
  text: string,
  { cwd, env, run, random, clock }: CliContext,
  { registries, ca }: StoreOptionsOfUser = {},
): Promise<NamedStore> {
  const reference = referenceWithin(cwd, parseReference(text));
  const opened = await storeFor(reference, {
    ...{ environment: env, run, now: clock, random: () => Buffer.from(random(4)).readUInt32LE() / 2 ** 32 },
    ...(ca === undefined ? {} : { caFile: resolve(cwd, ca) }),
    ...(registries === undefined ? {} : { registriesFile: { path: resolve(cwd, registries), needed: true } }),
  });
  return { store: opened.store, reference, [Symbol.dispose]: () => opened[Symbol.dispose]() };
}

/** What of the store was named; the digest where there are both. */
export const wantedOf = ({ tag, digest }: Reference): string | undefined => digest ?? tag;
