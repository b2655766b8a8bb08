/** The files of a generation besides what the initrd reads. docs/formats/generations.md */
import type { Compiled } from "../../config/machine/compile/compile-config.ts";
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import type { StagePlan } from "../../config/machine/compile/stage-plan.ts";
import { asciiJson } from "../../layout/ascii-json.ts";
import { decodeCompiledConfig, encodeCompiledConfig } from "../../layout/compiled-config.ts";
import { COMPILED_NAME, type GenerationNumber } from "../../layout/generations.ts";
import type { KernelArgs } from "../../layout/kernel-args.ts";
import type { GenerationStore } from "../../host/generation-store.ts";

const REST_NAME = "rest.json";
/** By itself: who runs the stages reads nothing else. */
const STAGES_NAME = "stages.json";
const DOCUMENTS_NAME = "documents.json";
const ABOUT_NAME = "about.json";
const FORMAT = 1;

/** A machine config as somebody wrote it. Secret. */
export interface ConfigDocument {
  /** Where it was found, for people. */
  readonly origin: string;
  readonly text: string;
}
export interface GenerationAbout {
  /** When it was made, in seconds since 1970. */
  readonly at: number;
  /** What was left out of it, a sentence each. */
  readonly problems: readonly string[];
  /** Some of where it comes from has never answered yet. */
  readonly awaits?: true;
  /** Its documents lay where a machine looks for them; else somebody has applied them. */
  readonly found?: true;
}
/** Everything that is known of a config that was applied. */
export interface Generation {
  readonly compiled: Compiled;
  /** In their order; for another image they are compiled again. */
  readonly documents: readonly ConfigDocument[];
  readonly about: GenerationAbout;
}

const json = (value: object): string => `${asciiJson({ format: FORMAT, ...value })}\n`;

/** @throws AppError `CONFIG_TOO_LARGE` */
export function generationFiles({ compiled: whole, documents, about }: Generation): Readonly<Record<string, string>> {
  const { compiled, init, kernelArgs, updates, plan } = whole;
  return {
    [COMPILED_NAME]: encodeCompiledConfig(compiled),
    [REST_NAME]: json({ init, kernelArgs, ...(updates && { updates }) }),
    [STAGES_NAME]: json(plan),
    [DOCUMENTS_NAME]: json({ documents }),
    [ABOUT_NAME]: json(about),
  };
}

/** What the stages of a generation have to do. @returns as {@link readGeneration} @throws the same */
export const readStagePlan = async (
  store: Pick<GenerationStore, "read">,
  number: GenerationNumber,
): Promise<StagePlan | undefined> => parse(await store.read(number, STAGES_NAME)) as StagePlan | undefined;

/** @returns nothing for one that is not there, is damaged, or is of another format @throws NodeJS.ErrnoException */
export async function readGeneration(
  store: Pick<GenerationStore, "read">,
  number: GenerationNumber,
): Promise<Generation | undefined> {
  const bytes = await store.read(number, COMPILED_NAME);
  const compiled = bytes && decodeCompiledConfig(Buffer.from(bytes).toString("latin1"));
  if (compiled?.is !== "whole") return undefined;
  const part = async <T extends object>(name: string): Promise<T | undefined> =>
    parse(await store.read(number, name)) as T | undefined;
  const rest = await part<Omit<Compiled, "compiled" | "plan">>(REST_NAME);
  const plan = await readStagePlan(store, number);
  const found = await part<Pick<Generation, "documents">>(DOCUMENTS_NAME);
  const about = await readAbout(store, number);
  if (!rest || !plan || !found || !about) return undefined;
  return { compiled: { compiled: compiled.value, ...rest, plan }, documents: found.documents, about };
}

/** Nothing where that cannot be read. @throws NodeJS.ErrnoException */
export const readKernelArgs = async (
  store: Pick<GenerationStore, "read">,
  number: GenerationNumber,
): Promise<KernelArgs | undefined> =>
  (parse(await store.read(number, REST_NAME)) as Pick<Compiled, "kernelArgs"> | undefined)?.kernelArgs;

/** How the machine keeps itself current; nothing where it does not, and where that cannot be read. @throws NodeJS.ErrnoException */
export async function readUpdates(
  store: Pick<GenerationStore, "read">,
  number: GenerationNumber,
): Promise<UpdatesConfig | undefined> {
  const { updates } = (parse(await store.read(number, REST_NAME)) ?? {}) as Pick<Compiled, "updates">;
  // Of before there were windows.
  return Array.isArray(updates?.windows) ? updates : undefined;
}

/** When it was made, and what was left out; nothing where that cannot be read. @throws NodeJS.ErrnoException */
export const readAbout = async (
  store: Pick<GenerationStore, "read">,
  number: GenerationNumber,
): Promise<GenerationAbout | undefined> => parse(await store.read(number, ABOUT_NAME)) as GenerationAbout | undefined;

/** Only root can write there, and it is whole with the rest of its folder, so nothing but the format is checked. */
function parse(bytes: Uint8Array | undefined): object | undefined {
  if (!bytes) return undefined;
  try {
    const { format, ...value } = JSON.parse(Buffer.from(bytes).toString("utf8")) as { readonly format?: unknown };
    return format === FORMAT ? value : undefined;
  } catch {
    return undefined;
  }
}
