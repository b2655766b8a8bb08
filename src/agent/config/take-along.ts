/** The config that runs, for another image: an upgrade takes it along. docs/concepts/upgrade.md, "With its machine config" */
import { compileTolerantly, unsupportedError, type Compilation } from "../../config/machine/compile/compile-config.ts";
import type { ImageView } from "../../config/machine/compile/image-view.ts";
import { unknownKeys, type MachineLanguage } from "../../config/machine/language.ts";
import { AppError } from "../../core/error.ts";
import { endTrial, keepGeneration, type GenerationNumber } from "../../layout/generations.ts";
import type { SlotName } from "../../layout/slots.ts";
import { compileMeans, keep, leftOut, sameConfig, withoutNotes, type ApplyPorts } from "./apply-config.ts";
import { readGeneration, type Generation } from "./generation-files.ts";
import type { TakenAlong } from "./work.ts";

type TakeAlongPorts = Pick<ApplyPorts, "target" | "store" | "running" | "view" | "judge" | "network" | "sha1" | "sha256" | "now">;
const HINT = "Apply a config first that both images can do, or choose another image.";

/**
 * Changes nothing.
 *
 * @throws AppError `CONFIG_UNSUPPORTED`: the image's language has not all keys of the config
 */
export async function assertFits(
  { name, version }: { readonly name: string; readonly version: string },
  language: MachineLanguage,
  ports: Pick<TakeAlongPorts, "target" | "store" | "running" | "judge">,
): Promise<TakenAlong> {
  const own = await ownGeneration(ports);
  if (!own) return {};
  const unknown = unknownKeys(ports.judge(own.documents, "tolerant").keys, language);
  if (unknown.length === 0) return { generation: own.number };
  const keys = unknown.map((key) => `  ${key}: is no key of its machine configs`);
  throw new AppError(
    "CONFIG_UNSUPPORTED",
    `the image ${name} ${version} does not know all that the config says:\n${keys.join("\n")}`,
    {
      hint: HINT,
    },
  );
}

/**
 * Makes the config that runs for the image that lies in a slot, and has the slot boot with it. What the image that runs cannot do either was left out before, and
 * is again; anything else is a refusal, which comes before the first write. Repeated, it changes nothing.
 *
 * @param image of the slot
 * @throws AppError `CONFIG_UNSUPPORTED`, `CONFIG_NEWER`
 */
export async function takeAlong(slot: SlotName, image: ImageView, ports: TakeAlongPorts): Promise<TakenAlong> {
  const { store } = ports;
  const own = await ownGeneration(ports);
  if (!own) return {};
  const { config, problems } = ports.judge(own.documents, "tolerant");
  const compiledFor = (view: ImageView): Compilation => compileTolerantly(config, view, compileMeans(config, view, ports));
  const before = new Set(compiledFor(ports.view).unsupported.map(({ key }) => key));
  const compilation = compiledFor(image);
  const refused = unsupportedError({
    ...compilation,
    unsupported: compilation.unsupported.filter(({ key }) => !before.has(key)),
  });
  if (refused)
    throw new AppError("CONFIG_UNSUPPORTED", refused.message, { hint: [refused.hint, HINT].filter(Boolean).join(" ") });
  const compiled = withoutNotes(compilation);
  const kept = store.slots().slots[slot]?.generation;
  const there = kept === undefined ? undefined : await readGeneration(store, kept);
  const isKept = sameConfig(there?.compiled, compiled) && sameDocuments(there, own);
  const generation = isKept
    ? kept!
    : await keep(
        { compiled },
        {
          ...{ documents: own.documents, problems: [...problems, ...leftOut(compilation)] },
          ...{ awaits: own.about.awaits === true, found: own.about.found === true },
        },
        ports,
      );
  if (!isKept || store.slots().slots[slot]?.trial) {
    await store.point((slots) => endTrial(keepGeneration(slots, slot, generation), slot));
    await store.prune();
  }
  return { generation, kernelArgs: compiled.kernelArgs };
}

export const sameDocuments = (one: Pick<Generation, "documents"> | undefined, other: Pick<Generation, "documents">): boolean =>
  JSON.stringify(one?.documents) === JSON.stringify(other.documents);

/** What the slot that runs boots with; else what it runs with: of another slot, where it has none. */
async function ownGeneration({
  target,
  store,
  running,
}: Pick<TakeAlongPorts, "target" | "store" | "running">): Promise<
  (Generation & { readonly number: GenerationNumber }) | undefined
> {
  const { generation, before, trial } = store.slots().slots[target] ?? {};
  const laid = (await running()).generation;
  // One that nobody has confirmed is not this machine's yet.
  for (const number of [generation, before, laid === trial?.generation ? undefined : laid]) {
    const found = number === undefined ? undefined : await readGeneration(store, number);
    if (found) return { ...found, number: number! };
  }
  return undefined;
}
