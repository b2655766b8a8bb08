/** Each piece of work on the machine config, on the ports of a machine. */
import type { ImageView } from "../../config/machine/compile/image-view.ts";
import { AppError } from "../../core/error.ts";
import type { ConfigMachine } from "../../host/config-machine.ts";
import type { GenerationNumber } from "../../layout/generations.ts";
import { BOOT_TARGETS, type SlotName } from "../../layout/slots.ts";
import {
  applyConfig,
  configDiff,
  confirmConfig,
  documentsOf,
  revertTrial,
  shown,
  type ApplyOptions,
  type ApplyPorts,
} from "./apply-config.ts";
import { readAbout, readGeneration, type Generation } from "./generation-files.ts";
import { assertFits, sameDocuments, takeAlong } from "./take-along.ts";
import type { ConfigAnswers, ConfigWork, FoundDocuments, GenerationEntry, LockedWork } from "./work.ts";

export interface CarryOutPorts extends ApplyPorts, Pick<ConfigMachine, "noneWanted"> {
  /** Documents of every place that can be looked at without a network. */
  readonly find: () => Promise<FoundDocuments>;
  /** What the sources call this machine is recorded. @returns whether it is another one than before. Never throws */
  readonly beInstance: (found: Pick<FoundDocuments, "instance" | "awaitsName">) => Promise<boolean>;
  /** The image that lies in a slot, mounted until the scope ends. @throws AppError `IMAGE_CHANGED` where it has another digest */
  readonly imageIn: (slot: SlotName, digest: string) => Promise<{ readonly view: ImageView } & AsyncDisposable>;
  /** What lies where a machine looks has been looked at: the next boot need not. Durable when it returns. @throws NodeJS.ErrnoException */
  readonly nowSeen: () => Promise<void>;
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
      return { generation: await confirmConfig(ports, work.id) };
    case "revert":
      return { changed: await revertTrial(ports, work.id, work.reason) };
    case "rollback": {
      const to = work.to ?? before(ports);
      const documents = await documentsOf(ports, to);
      const found = (await readAbout(ports.store, to))?.found === true;
      return await applyConfig(documents, { mode: work.mode, how: "tolerant", again: to, found }, ports);
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
    if (mode !== "dry-run") await ports.beInstance(found);
  }
  return withForgets(await applyConfig(documents, { mode, how: "strict", found: found !== undefined }, ports), ports);
}

/**
 * The documents that were applied last are this machine's, under another image too; else what lies somewhere. What is wrong is left out. Where no config is
 * wanted, what lies somewhere has changed.
 */
async function boot(ports: CarryOutPorts): Promise<ConfigAnswers["boot"]> {
  const { generation, wanted } = await ports.running();
  const kept = generation === undefined ? undefined : await readGeneration(ports.store, generation);
  if (kept && wanted === undefined) return await lookAgain(kept, ports);
  const { documents = [], about } = kept ?? {};
  if (kept) {
    const again = { documents, problems: [], waitsForNetwork: about?.awaits === true };
    return await applyAll(again, { found: about?.found === true }, ports);
  }
  const found = await ports.find();
  await ports.beInstance(found);
  const result = await applyAll(found, { found: true }, ports);
  // Else the next boot looks again.
  if (!("none" in result)) await ports.nowSeen().catch(() => {});
  return result;
}

/** Of a machine that has a config, and keeps it where what lies there now is not sound. docs/concepts/config.md, "What has changed since" */
async function lookAgain({ documents, about }: Generation, ports: CarryOutPorts): Promise<ConfigAnswers["boot"]> {
  // One trial at a time: the next boot looks.
  if (slotOf(ports)?.trial?.how === "boot") return { same: true, problems: [] };
  const found = await ports.find();
  const isOther = await ports.beInstance(found);
  const stays = async (...problems: readonly string[]): Promise<ConfigAnswers["boot"]> => {
    const { awaits: _before, ...running } = await ports.running();
    const notes = [...new Set([...running.notes, ...problems])];
    // Whoever is asked over the network may say something else, too.
    await ports.nowRuns({ ...running, notes, ...(about.found && found.waitsForNetwork ? { awaits: true } : {}) });
    return { same: true, problems };
  };
  const problems = found.problems.filter((problem) => !about.problems.includes(problem));
  if (problems.length > 0)
    return await stays(...problems.map((problem) => `the config stays as it is until this is mended: ${problem}`));
  const isSame = sameDocuments(found, { documents });
  if (isSame || !about.found || found.documents.length === 0) {
    await ports.nowSeen().catch(() => {}); // else the next boot looks again
    const nothing = found.documents.length === 0;
    // Where nothing lies and somebody has applied what runs, there is nothing to tell.
    return await stays(...(isSame || (nothing && !about.found) ? [] : [nothing ? NOTHING_LEFT : OTHERS_APPLIED]));
  }
  try {
    const options = {
      mode: "auto",
      notes: found.problems,
      how: isOther ? "tolerant" : "strict",
      found: true,
      awaits: found.waitsForNetwork,
    } as const;
    return withForgets(await applyConfig(found.documents, { ...options, untilHealthy: ports.nowSeen }, ports), ports);
  } catch (error) {
    return await stays(
      `what lies where this machine looks for its config has changed, and cannot be applied: ${(error as Error).message}`,
    );
  }
}
const OTHERS_APPLIED =
  "what lies where this machine looks for its config has changed; what somebody has applied counts: see `petrify config plan`";
const NOTHING_LEFT = "nothing lies any more where this machine looks for its config: it stays as it is";

/** What somebody has applied meanwhile is this machine's: then nothing is awaited any more. */
async function fromNetwork(found: FoundDocuments, ports: CarryOutPorts): Promise<ConfigAnswers["network"]> {
  const { generation, awaits } = await ports.running();
  const about = generation === undefined ? undefined : await readAbout(ports.store, generation);
  if (!awaits && !about?.awaits) return { none: true };
  await ports.beInstance(found);
  return await applyAll(found, { found: true }, ports);
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
  const { awaits = false, found: isFound = false } = found?.about ?? {};
  const options = { mode: "auto", how: "tolerant", again: slot.generation, awaits, found: isFound, unattended: true } as const;
  return (await applyConfig(await documentsOf(ports, slot.generation), options, ports)).changed;
}

/** Without any document nothing is kept: the next boot looks again. */
async function applyAll(
  { documents, problems, waitsForNetwork: awaits }: FoundDocuments,
  { found }: Required<Pick<ApplyOptions, "found">>,
  ports: CarryOutPorts,
): Promise<ConfigAnswers["network"]> {
  if (documents.length === 0) {
    const { awaits: _before, ...running } = await ports.running();
    const notes = [...new Set([...running.notes, ...problems])];
    await ports.nowRuns({ ...running, notes, ...(awaits ? { awaits } : {}) });
    return { none: true };
  }
  const options = { mode: "auto", how: "tolerant", notes: problems, awaits, found, unattended: true } as const;
  const result = await applyConfig(documents, options, ports);
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
    const refused = Object.values(slots).find((slot) => slot.refused?.generation === generation)?.refused;
    entries.push({
      ...{ generation, readable: found !== undefined, running: generation === now },
      ...(found && {
        ...{ at: found.about.at, image: found.compiled.compiled.image, problems: found.about.problems },
        documents: found.documents.map(({ origin }) => origin),
      }),
      slots: BOOT_TARGETS.filter((target) => slots[target]?.generation === generation),
      ...(trial && { trial: { how: trial.how, ...(trial.until === undefined ? {} : { until: trial.until }) } }),
      ...(refused && { refused: { at: refused.at, reason: refused.reason } }),
    });
  }
  return entries;
}
