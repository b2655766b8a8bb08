/** Each piece of work on the machine config, on the ports of a machine. */
import type { ImageView } from "../../config/machine/compile/image-view.ts";
import { AppError } from "../../core/error.ts";
import type { ConfigMachine } from "../../host/config-machine.ts";
import type { GenerationNumber } from "../../layout/generations.ts";
import { BOOT_TARGETS, type SlotName } from "../../layout/slots.ts";
import { applyConfig, configDiff, confirmConfig, documentsOf, revertTrial, shown, type ApplyPorts } from "./apply-config.ts";
import { readAbout, readGeneration } from "./generation-files.ts";
import { assertFits, takeAlong } from "./take-along.ts";
import type { ConfigAnswers, ConfigWork, FoundDocuments, GenerationEntry, LockedWork } from "./work.ts";

export interface CarryOutPorts extends ApplyPorts, Pick<ConfigMachine, "noneWanted"> {
  /** Documents of every place that can be looked at without a network. */
  readonly find: () => Promise<FoundDocuments>;
  /** A source calls this machine so. */
  readonly beInstance: (instance: string) => Promise<void>;
  /** The image that lies in a slot, mounted until the scope ends. @throws AppError `IMAGE_CHANGED` where it has another digest */
  readonly imageIn: (slot: SlotName, digest: string) => Promise<{ readonly view: ImageView } & AsyncDisposable>;
  /** Why the oem partition is not what keeps the config; then it is kept until the next boot. */
  readonly forgets?: string;
}

/** @throws AppError those of apply-config.ts, `CONFIG_NOT_FOUND`, `CONFIG_UNKNOWN` */
export async function carryOut(work: LockedWork, ports: CarryOutPorts): Promise<ConfigAnswers[LockedWork["do"]]> {
  switch (work.do) {
    case "apply":
      return await applyFound(work, ports);
    case "boot":
      return await boot(ports);
    case "network":
      return await fromNetwork(work.found, ports);
    case "settle":
      return { changed: await settle(ports) };
    case "confirm":
      return { generation: await confirmConfig(ports) };
    case "revert":
      return { changed: await revertTrial(ports, work.id) };
    case "rollback": {
      const to = work.to ?? before(ports);
      const documents = await documentsOf(ports, to);
      return await applyConfig(documents, { mode: work.mode, how: "tolerant", again: to }, ports);
    }
    case "fits":
      return await assertFits(work.image, work.language, ports);
    case "take-along": {
      await using image = await ports.imageIn(work.slot, work.digest);
      return await takeAlong(work.slot, image.view, ports);
    }
    case "history":
      return { generations: await history(ports) };
    case "diff": {
      const { to = present(ports), from = to === slotOf(ports)?.generation ? before(ports) : present(ports) } = work;
      return { from, to, ...shown(await configDiff(ports, from, to)) };
    }
  }
}

async function applyFound(
  { documents, found, mode }: Extract<ConfigWork, { readonly do: "apply" }>,
  ports: CarryOutPorts,
): Promise<ConfigAnswers["apply"]> {
  if (found) {
    const [problem] = found.problems;
    if (problem !== undefined)
      throw new AppError("CONFIG_NOT_FOUND", problem, { hint: "Mend it, or name the file that is to be applied." });
    if (documents.length === 0)
      throw new AppError("CONFIG_NOT_FOUND", "there is no machine config in any place that this machine looks at", {
        hint: "Name the file that is to be applied.",
      });
    if (mode !== "dry-run") await named(found, ports);
  }
  return withForgets(await applyConfig(documents, { mode, how: "strict" }, ports), ports);
}

/** Only what a source says makes it another machine: one that is silent today said something once. */
async function named({ instance }: Pick<FoundDocuments, "instance">, ports: CarryOutPorts): Promise<void> {
  if (instance !== undefined) await ports.beInstance(instance);
}

/** The documents that were applied last are this machine's, under another image too; else what lies somewhere. What is wrong is left out. */
async function boot(ports: CarryOutPorts): Promise<ConfigAnswers["boot"]> {
  const { generation } = await ports.running();
  const kept = generation === undefined ? undefined : await readGeneration(ports.store, generation);
  const { documents = [], about } = kept ?? {};
  if (kept) return await applyAll({ documents, problems: [], waitsForNetwork: about?.awaits === true }, ports);
  const found = await ports.find();
  await named(found, ports);
  return await applyAll(found, ports);
}

/** What somebody has applied meanwhile is this machine's: then nothing is awaited any more. */
async function fromNetwork(found: FoundDocuments, ports: CarryOutPorts): Promise<ConfigAnswers["network"]> {
  const { generation, awaits } = await ports.running();
  const about = generation === undefined ? undefined : await readAbout(ports.store, generation);
  if (!awaits && !about?.awaits) return { none: true };
  await named(found, ports);
  return await applyAll(found, ports);
}

/** @returns whether anything is another than before */
async function settle(ports: CarryOutPorts): Promise<boolean> {
  if ((await ports.half()) === undefined) return false;
  const slot = slotOf(ports);
  if (slot?.trial?.how === "live") return await revertTrial(ports);
  if (slot?.generation === undefined) {
    await ports.nowLaying(undefined);
    return false;
  }
  const found = await readGeneration(ports.store, slot.generation);
  const options = { mode: "auto", how: "tolerant", again: slot.generation, awaits: found?.about.awaits === true } as const;
  return (await applyConfig(await documentsOf(ports, slot.generation), options, ports)).changed;
}

/** Without any document nothing is kept: the next boot looks again. */
async function applyAll(found: FoundDocuments, ports: CarryOutPorts): Promise<ConfigAnswers["boot"]> {
  const { documents, problems, waitsForNetwork: awaits } = found;
  if (documents.length === 0) {
    const { awaits: _before, ...running } = await ports.running();
    const notes = [...new Set([...running.notes, ...problems])];
    await ports.nowRuns({ ...running, notes, ...(awaits ? { awaits } : {}) });
    return { none: true };
  }
  const result = await applyConfig(documents, { mode: "auto", how: "tolerant", notes: problems, awaits }, ports);
  await ports.noneWanted();
  return withForgets(result, ports);
}

const withForgets = <Result extends { readonly problems: readonly string[]; readonly changed: boolean }>(
  result: Result,
  { forgets }: CarryOutPorts,
): Result =>
  forgets === undefined || !result.changed
    ? result
    : { ...result, problems: [...result.problems, `it is kept until the next boot: ${forgets}`] };

const slotOf = ({ store, target }: ApplyPorts) => store.slots().slots[target];

function present(ports: ApplyPorts): GenerationNumber {
  const { generation } = slotOf(ports) ?? {};
  if (generation !== undefined) return generation;
  throw new AppError("CONFIG_UNKNOWN", "this machine has no machine config", {
    hint: "Apply one: `petrify config apply FILE`.",
  });
}
function before(ports: ApplyPorts): GenerationNumber {
  const now = present(ports);
  const last = slotOf(ports)?.before;
  if (last !== undefined) return last;
  throw new AppError("CONFIG_UNKNOWN", `there is no machine config before ${now}`, {
    hint: "See `petrify config history`.",
  });
}

/** Newest first. */
async function history({ store, running }: ApplyPorts): Promise<readonly GenerationEntry[]> {
  const { slots } = store.slots();
  const now = (await running()).generation;
  const entries: GenerationEntry[] = [];
  for (const generation of (await store.list()).toReversed()) {
    const found = await readGeneration(store, generation);
    const trial = Object.values(slots).find((slot) => slot.trial?.generation === generation)?.trial;
    entries.push({
      ...{ generation, readable: found !== undefined, running: generation === now },
      ...(found && {
        ...{ at: found.about.at, image: found.compiled.compiled.image, problems: found.about.problems },
        documents: found.documents.map(({ origin }) => origin),
      }),
      slots: BOOT_TARGETS.filter((target) => slots[target]?.generation === generation),
      ...(trial && { trial: { how: trial.how, ...(trial.until === undefined ? {} : { until: trial.until }) } }),
    });
  }
  return entries;
}
