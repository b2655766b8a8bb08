/** What was done once for this instance, on the oem partition. docs/formats/instance.md */
import { join } from "node:path";
import { decodeInstance, encodeInstance, INSTANCE_NAMES, type InstanceRecord, type OnceDone } from "../layout/instance-record.ts";
import { fileExists } from "./files.ts";
import { openTwins } from "./twin-files.ts";

export interface InstanceStore {
  readonly record: () => InstanceRecord;
  /** What was wrong with what was found, a sentence each. */
  readonly problems: readonly string[];
  /**
   * What the sources of the config call this machine: another instance has done nothing yet, but what was done while nobody had said a name was done by this
   * one. Durable when it returns.
   *
   * @returns whether it is another instance than before
   * @throws Error as {@link note}
   */
  readonly be: (instance: string) => Promise<boolean>;
  /** Somebody is asked for a name, and has not answered; nothing changes where one is known. Durable when it returns. @throws Error as {@link note} */
  readonly awaitName: () => Promise<void>;
  /** Durable when it returns. @throws Error where it cannot be kept: what was to be done must not be done then, or it would be at each boot */
  readonly note: (what: string, done: OnceDone) => Promise<void>;
}

/**
 * Never throws: what cannot be read is said.
 *
 * @param folder nothing where its partition is not there: then nothing is known, and nothing done
 * @param machine the machine-id: what a machine is called whose sources say nothing
 */
export async function openInstanceStore(folder: string | undefined, machine: string): Promise<InstanceStore> {
  if (folder === undefined) {
    const problem =
      "what was done once for this instance is not known: its partition is not mounted; nothing of that kind is done";
    const refuse = async (): Promise<never> => await Promise.reject(new Error(problem));
    return { record: () => ({ instance: machine, done: {} }), problems: [problem], be: refuse, awaitName: refuse, note: refuse };
  }
  const twins = await openTwins(folder, { names: INSTANCE_NAMES, encode: encodeInstance, decode: decodeInstance });
  const both = await Promise.all(INSTANCE_NAMES.map(async (name) => await fileExists(join(folder, name))));
  // With one file only, its first write was cut, and nothing had been done yet.
  const isLost = twins.found === undefined && both.every(Boolean);
  let record: InstanceRecord = twins.found ?? { instance: machine, done: {} };
  const unknown = twins.isNewer ? "was written by newer software" : isLost ? "is damaged" : twins.unread[0];
  const store = async (next: InstanceRecord): Promise<void> => {
    if (unknown !== undefined) throw new Error(`what was done once for this instance ${unknown}: it is not done again`);
    await twins.store(next);
    record = next;
  };
  return {
    record: () => record,
    problems: unknown === undefined ? [] : [`what was done once for this instance cannot be known: it ${unknown}`],
    be: async (instance) => {
      const { instance: before, awaits, done } = record;
      if (before === instance && !awaits) return false;
      const isSame = before === instance || awaits === true;
      await store({ instance, done: isSame ? done : {} });
      return !isSame;
    },
    awaitName: async () => {
      if (record.instance === machine && !record.awaits) await store({ ...record, awaits: true });
    },
    note: async (what, done) => await store({ ...record, done: { ...record.done, [what]: done } }),
  };
}
