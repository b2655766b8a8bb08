/** Where this machine finds its config: every place in its order, lowest first. docs/concepts/config.md, "Where it comes from" */
import { instanceOf } from "../config/machine/sources/meta-data.ts";
import { MiB, type Bytes } from "../core/units.ts";
import type { LabelledVolume } from "../host/cloud-volumes.ts";
import { CONFIG_SOURCES, type ConfigSourceName } from "../layout/config-sources.ts";
import type { ConfigDocument } from "./config/generation-files.ts";
import { collector, type Brought, type SourceFindings } from "./config-sources/collector.ts";
import type { SourceMeans } from "./config-sources/means.ts";
import { READERS, WANTED_FILES } from "./config-sources/readers.ts";
import { openWeb } from "./config-sources/web.ts";

/** What was found in one place. Nothing of it is secret. */
export interface SourceReport {
  readonly name: ConfigSourceName;
  /**
   * `kept`: it is not there any more, or cannot be heard, and what it said the last time counts. `awaited`: only the network can tell. `unusable`: nothing of
   * what is there can be used.
   */
  readonly is: "none" | "found" | "kept" | "awaited" | "unusable";
  /** The network has to be asked for the rest, perhaps once more. */
  readonly waits: boolean;
  /** Where it is: a device. */
  readonly place?: string;
  readonly documents: readonly (Pick<Brought, "origin" | "keys" | "isKept"> & { readonly bytes: Bytes })[];
  /** What cannot be used, a sentence each. */
  readonly problems: readonly string[];
  readonly instance?: string;
}
export interface FoundConfig {
  /** In their order: later ones win. Secret. */
  readonly documents: readonly ConfigDocument[];
  /** What is there and cannot be used, a sentence each. */
  readonly problems: readonly string[];
  /** Which machine this is, for what is done once for each; nothing where only the network can tell. */
  readonly instance: string | undefined;
  /** Some of it is only known once the network, and who is asked there, is there. */
  readonly waitsForNetwork: boolean;
  /** Place by place. */
  readonly sources: readonly SourceReport[];
}

/** Of all sources together. */
const MAX_DOCUMENTS = 200;
const MAX_TOTAL: Bytes = 8 * MiB;
/** Over the network. */
const TELL_INSTANCES: readonly ConfigSourceName[] = ["nocloud", "ec2"];
const META_DATA = /\/meta[-_]data(?:\.json)?$/;

/**
 * What a place outside the machine said the last time counts as long as it says nothing else: a server that does not answer, or a volume that is not there
 * any more, takes no config from a machine.
 *
 * @param phase `local`: nobody is asked over a network
 */
export async function findConfig(means: SourceMeans, phase: "local" | "network"): Promise<FoundConfig> {
  const web = openWeb(means, phase === "local");
  let volumes: Promise<readonly LabelledVolume[]> | undefined;
  const surroundings = { means, web, volumes: async () => await (volumes ??= means.volumes(WANTED_FILES)) };
  const sources: SourceReport[] = [];
  const documents: ConfigDocument[] = [];
  let total = 0;
  // Recovery has what it needs of the last config that was applied, and takes no other.
  for (const name of means.slot === "recovery" ? [] : CONFIG_SOURCES) {
    const found = collector(means.kept);
    await READERS[name](found, surroundings);
    await web.follow(found);
    const taken = found.brought.filter(
      ({ text }, index) => documents.length + index < MAX_DOCUMENTS && (total += text.length) <= MAX_TOTAL,
    );
    const left = found.brought.length - taken.length;
    if (left > 0) found.problems.push(`${name}: documents that are left out because there are too many: ${left}`);
    documents.push(...taken.map(({ origin, text }) => ({ origin, text })));
    sources.push(reportOf(name, { ...found, brought: taken }));
  }
  const instance = sources.findLast((source) => source.instance !== undefined)?.instance;
  const isToCome = sources.some(({ name, waits }) => waits && TELL_INSTANCES.includes(name));
  return {
    ...{ documents, sources, waitsForNetwork: sources.some(({ waits }) => waits) },
    problems: sources.flatMap(({ problems }) => problems),
    instance: instance ?? (isToCome ? undefined : means.machineId),
  };
}

function reportOf(name: ConfigSourceName, { brought, problems, isAwaited, place }: SourceFindings): SourceReport {
  const instance = brought.findLast(({ origin }) => META_DATA.test(origin));
  const known = instance && instanceOf(instance.text);
  return {
    name,
    ...{ is: stateOf({ brought, problems, isAwaited, place }), waits: isAwaited },
    ...(place === undefined ? {} : { place }),
    documents: brought.map(({ origin, text, keys, isKept }) => ({ origin, bytes: Buffer.byteLength(text), keys, isKept })),
    problems,
    ...(known === undefined ? {} : { instance: known }),
  };
}

function stateOf({ brought, problems, isAwaited, place }: SourceFindings): SourceReport["is"] {
  if (brought.some(({ isKept }) => !isKept)) return "found";
  if (brought.length > 0) return "kept";
  if (isAwaited) return "awaited";
  if (problems.length > 0) return "unusable";
  return place === undefined ? "none" : "found";
}
