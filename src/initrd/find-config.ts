/** @portable The machine config of this boot, from the oem partition. docs/formats/generations.md */
import { latin1Bytes } from "../layout/env-block.ts";
import { COMPILED_LIMIT, decodeCompiledConfig, type CompiledConfig } from "../layout/compiled-config.ts";
import {
  COMPILED_NAME,
  CONFIG_FOLDER,
  CONFIG_IDS_NAME,
  foundSlots,
  generationOf,
  planLaying,
  SLOTS_NAMES,
  type Candidate,
  type GenerationNumber,
} from "../layout/generations.ts";
import { decodeIds, type PersistentIds } from "../layout/persistent-ids.ts";
import type { BootTarget } from "../layout/slots.ts";
import { sentence } from "./failure.ts";
import { MOUNT_FLAGS, type Sys } from "./sys.ts";
import { readWhole } from "./whole-file.ts";

/** In the initrd's own root, which is gone when the image's init starts. */
const AT = "/oem";

/** A config that can be laid down. */
export interface ChosenConfig {
  readonly generation: GenerationNumber;
  /** Of the trial that begins with it. */
  readonly trial?: string;
  readonly config: CompiledConfig;
}
export interface FoundConfig {
  /** Absent where there is none. */
  readonly chosen?: ChosenConfig;
  /** Numbers that configured users and groups had before. */
  readonly remembered: PersistentIds;
  /** Why one has to be made once the system runs. */
  readonly wanted?: string;
}
/** Where it is looked for. */
export interface ConfigSource {
  readonly target: BootTarget;
  /** Device nodes. */
  readonly oem: string;
  /** Id of the trial that the loader has given this boot to. */
  readonly trial: string | undefined;
}

export const NOBODY: PersistentIds = { user: new Map(), group: new Map() };

/** Mounts the oem partition for a moment, read-only. Never throws. @param notes what is not as it should be is added */
export function findConfig(sys: Sys, source: ConfigSource, notes: string[]): FoundConfig {
  const { readOnly, noSuid, noDevices, noExec } = MOUNT_FLAGS;
  try {
    sys.makeFolder(AT);
    sys.mount(source.oem, AT, { type: "ext4", flags: readOnly | noSuid | noDevices | noExec });
    try {
      return readConfig(sys, source, notes);
    } finally {
      sys.unmount(AT);
    }
  } catch (error) {
    notes.push(`the machine config cannot be read, and is not laid down: ${sentence(error)}`);
    return { remembered: NOBODY, ...(source.target === "recovery" ? {} : { wanted: "the oem partition could not be read" }) };
  }
}

function readConfig(sys: Sys, { target, trial }: ConfigSource, notes: string[]): FoundConfig {
  const folder = AT + CONFIG_FOLDER;
  const copies = SLOTS_NAMES.map((name) => readable(sys, `${folder}/${name}`));
  const folders = sys.list(folder).flatMap((name) => generationOf(name) ?? []);
  const plan = planLaying(foundSlots(copies), target, { folders, tried: trial });
  notes.push(...plan.notes);
  const remembered = readIds(sys, `${folder}/${CONFIG_IDS_NAME}`, notes);
  for (const candidate of plan.candidates) {
    const config = readCompiled(sys, folder, candidate, notes);
    if (!config) continue;
    const isFirst = candidate === plan.candidates[0];
    if (!isFirst) notes.push(`machine config ${candidate.generation} is laid down instead`);
    const wanted = plan.wanted ?? (isFirst || target === "recovery" ? undefined : "the slot's own cannot be used");
    return { chosen: { ...candidate, config }, remembered, ...(wanted === undefined ? {} : { wanted }) };
  }
  const wanted = plan.wanted ?? (plan.candidates.length > 0 && target !== "recovery" ? "none can be used" : undefined);
  return { remembered, ...(wanted === undefined ? {} : { wanted }) };
}

/** A copy that is there and cannot be read is not a copy that is not there: then it would be a new machine's. */
function readable(sys: Sys, path: string): Uint8Array | undefined {
  if (!sys.exists(path)) return undefined;
  try {
    return latin1Bytes(readWhole(sys, path));
  } catch {
    return new Uint8Array();
  }
}

function readCompiled(sys: Sys, folder: string, { generation }: Candidate, notes: string[]): CompiledConfig | undefined {
  const path = `${folder}/${generation}/${COMPILED_NAME}`;
  const unusable = (why: string): undefined => void notes.push(`machine config ${generation} cannot be used: ${why}`);
  try {
    if (!sys.exists(path)) return unusable("it is not there");
    if (sys.status(path).size > COMPILED_LIMIT) return unusable("it is too large");
    const found = decodeCompiledConfig(sys.readText(path), (text) => sys.crc32(text));
    if (found.is === "whole") return found.value;
    return unusable(found.is === "newer" ? `it is of newer software (format ${found.format})` : "it is damaged");
  } catch (error) {
    return unusable(sentence(error));
  }
}

function readIds(sys: Sys, path: string, notes: string[]): PersistentIds {
  if (!sys.exists(path)) return NOBODY;
  const found = decodeIds(readWhole(sys, path));
  if (found.is === "whole") return found.value;
  notes.push(
    `the numbers of configured users are forgotten: ${CONFIG_IDS_NAME} is ${found.is === "newer" ? "of newer software" : "damaged"}`,
  );
  return NOBODY;
}
