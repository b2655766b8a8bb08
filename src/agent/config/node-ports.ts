/** The way of a config on a real machine: what {@link applyConfig} needs of it. */
import { compileNetwork } from "../../config/network/compile-network.ts";
import { keysOfConfig } from "../../config/machine/language.ts";
import { effectiveConfig } from "../../config/machine/merge.ts";
import { parseDocument, requireSound } from "../../config/machine/parse.ts";
import { problemText } from "../../config/machine/problems.ts";
import { bootRecordOn } from "../../host/boot-record.ts";
import { configMachine, type ConfigMachine } from "../../host/config-machine.ts";
import { readText } from "../../host/files.ts";
import { openGenerationStore } from "../../host/generation-store.ts";
import { gunzip } from "../../host/gunzip.ts";
import { imageEntries } from "../../host/image-entries.ts";
import type { Run } from "../../host/run.ts";
import { sha256 } from "../../host/sha256.ts";
import { stageRuns } from "../../host/stage-machine.ts";
import { IMAGE_FILES } from "../../layout/disk.ts";
import { IMAGE_ROOT, IMAGES_FOLDER, RUN_FOLDER } from "../../layout/fstab.ts";
import { IMAGE_FACTS_PATH, parseImageFacts } from "../../layout/image-facts.ts";
import { ACCOUNT_FILES, type AccountTexts } from "../../layout/merge-accounts.ts";
import { parseRunFacts, RUN_FACTS_PATH, type RunFacts } from "../../layout/run-facts.ts";
import { mountedImage, openSlotImage } from "../mounted-image.ts";
import { APPLIED, stageProblems } from "../../layout/stage-results.ts";
import type { ApplyPorts, Judged } from "./apply-config.ts";
import type { CarryOutPorts } from "./carry-out.ts";
import type { ConfigDocument } from "./generation-files.ts";
import { configPlace } from "./place.ts";

/** Where the image of the other slot is looked at. */
const OTHER_IMAGE = `${RUN_FOLDER}/other-image`;

export interface NodeEdge extends Pick<ApplyPorts, "isBooting" | "now" | "random" | "sha1"> {
  readonly run: Run;
  /** argv of stage-main.ts. */
  readonly stageRunner: readonly [string, ...string[]];
  /** As uname(1) says it. */
  readonly architecture: string;
}
export interface NodePorts extends ApplyPorts, Pick<ConfigMachine, "noneWanted">, Pick<CarryOutPorts, "imageIn"> {
  readonly forgets?: string;
  /** Where machine configs are kept. */
  readonly folder: string;
}

/** @throws AppError `RUN_FACTS_INVALID`, `IMAGE_FACTS_INVALID`; NodeJS.ErrnoException */
export async function openNodePorts(edge: NodeEdge): Promise<NodePorts> {
  const { architecture, stageRunner, ...given } = edge;
  const facts = parseRunFacts(await readText(RUN_FACTS_PATH));
  const place = await configPlace(facts);
  // Those of the running system have the folders that a config adds, too.
  const image = parseImageFacts(await readText(IMAGE_ROOT + IMAGE_FACTS_PATH));
  return {
    ...given,
    ...configMachine(edge.run, "/"),
    ...(place.forgets === undefined ? {} : { forgets: place.forgets }),
    runFileStages: async () => {
      await edge.run([...stageRunner, APPLIED], { keepOutput: 4000 });
      const found = stageRuns().find(({ run: name }) => name === APPLIED);
      return found ? stageProblems(found) : ["files that stages write are not written: nothing tells what came of them"];
    },
    kernelArgs: async () => await loaderArgs(facts),
    ...{ target: place.target, folder: place.folder },
    view: mountedImage(IMAGE_ROOT, image, architecture),
    store: await openGenerationStore(place.folder),
    judge,
    imageIn: async (slot, digest) =>
      await openSlotImage({ path: IMAGES_FOLDER + IMAGE_FILES[slot], digest, folder: OTHER_IMAGE }, architecture),
    network: ({ network }, view) => compileNetwork(network, view),
    ofImage: (path, options) => imageEntries(IMAGE_ROOT, path, options),
    imageAccounts: async () => await Promise.resolve(imageAccounts(IMAGE_ROOT)),
    sha256: (bytes) => sha256.digest(bytes),
  };
}

/** What the boot loader gives the slot that runs. Never throws: a config without any is not kept from being applied. */
async function loaderArgs({ slot, partitions: { record, efi } }: RunFacts): ReturnType<ApplyPorts["kernelArgs"]> {
  if (slot !== "a" && slot !== "b") return { none: "no boot loader of this disk has started this system" };
  try {
    const stored = record && efi && (await bootRecordOn({ record: record.device, efi: efi.device }).read()).args;
    return stored ? { slot: stored.slots[slot] } : { none: "the boot loader of this disk is older, and knows of none" };
  } catch (error) {
    return { none: `what the boot loader reads cannot be read: ${(error as Error).message}` };
  }
}

/** Read, merged and checked, whatever the image. @throws AppError `MACHINE_CONFIG_INVALID` unless tolerant */
export function judge(documents: readonly ConfigDocument[], how: "strict" | "tolerant"): Judged {
  const parsed = documents.map(({ origin, text }) => parseDocument(text, origin));
  if (how === "strict") requireSound(parsed);
  const effective = effectiveConfig(parsed, gunzip);
  if (how === "strict") requireSound([effective]);
  return {
    config: effective.config,
    problems: [...parsed, effective].flatMap(({ problems }) => problems).map(problemText),
    keys: keysOfConfig(effective.tree),
  };
}

/** Latin-1. @throws NodeJS.ErrnoException */
function imageAccounts(root: string): AccountTexts {
  const found = ACCOUNT_FILES.flatMap((name) => {
    const what = imageEntries(root, `/etc/${name}`, { deep: false })[0]?.what;
    if (what?.is !== "file" || !("base64" in what.content)) return [];
    return [[name, Buffer.from(what.content.base64, "base64").toString("latin1")] as const];
  });
  return Object.fromEntries(found);
}
