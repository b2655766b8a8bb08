/** What has to be done from time to time, whatever else happens: look at the data partitions, keep what the next boot needs, find logs. */
import { DATA_PARTITIONS, type DataPartition } from "../layout/fstab.ts";
import type { BootEntry } from "../layout/agent-state.ts";
import { SEED_BYTES } from "../layout/random-seed.ts";
import { failedBoots } from "./boot-history.ts";
import { degradations, type Degradation } from "./degraded.ts";
import { findLog } from "./failed-boot-log.ts";
import type { Reconciler } from "./stages/reconciler.ts";
import type { Verifiable } from "./verification.ts";
import type { World } from "./world.ts";

export interface Upkeep {
  readonly degraded: readonly Degradation[];
  /** Data partitions that a boot has to do without: nothing can be written to them. */
  readonly unusable: () => ReadonlySet<DataPartition>;
  readonly lookAtPartitions: () => Promise<void>;
  /** What the next boot starts with: never a seed twice, never a time before this one. */
  readonly keepForNextBoot: () => Promise<void>;
  /** The logs of boots that failed, once. */
  readonly findLogs: (signal: AbortSignal) => Promise<void>;
  /** Partitions every minute, time, seed and certificate every hour. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
  /** Where nobody else does it: the initrd's 120 s are over soon. */
  readonly beat: (signal: AbortSignal) => Promise<void>;
  /** What copies in persistent folders were made from: while that image runs, and only if it is kept. */
  readonly recordCopies: (signal: AbortSignal) => Promise<void>;
}

const LOOK_MS = 60_000;
const KEEP_MS = 3_600_000;
const BEAT_MS = 20_000;
const COPIES_MS = 24 * 3_600_000;
const NOT_YET_MS = 10_000;
/** A month: machines of an owner who calls them at all have theirs renewed long before. */
const EXPIRES_SECONDS = 30 * 86_400;
const MAX_LOGS = 3;
const USELESS: readonly Degradation["is"][] = ["missing", "not mounted", "read-only"];

export interface UpkeepNeeds {
  /** Called every minute. */
  readonly reconcile: Reconciler["look"];
  readonly isKept: () => boolean;
  /** Has an image verified: a boot of it has failed without a word. */
  readonly suspect: (image: Verifiable) => void;
}

export function openUpkeep(world: World, { isKept, suspect, reconcile }: UpkeepNeeds): Upkeep {
  const { ports, running, raise, clear, remember } = world;
  const { partitions } = ports.facts;
  let degraded: readonly Degradation[] = [];
  const orSay = async (what: string, work: Promise<void> | undefined): Promise<void> => {
    await work?.catch((error: unknown) => ports.log("info", `${what}: ${(error as Error).message}`));
  };

  /** Whoever can sign another one does so with a call: a machine that nobody has called for months says so before it is too late. */
  const lookAtCertificate = async (): Promise<void> => {
    const ends = await ports.certificateEnds();
    const left = ends === undefined ? Number.POSITIVE_INFINITY : ends - ports.now();
    if (left > EXPIRES_SECONDS || !(await ports.clockIsSet()).isSet) return clear("CERTIFICATE_EXPIRES");
    const until = new Date(ends! * 1000).toISOString().slice(0, 10);
    raise(
      "CERTIFICATE_EXPIRES",
      `the certificate of this machine ${left > 0 ? "ends" : "has ended"} on ${until}: nobody has renewed it`,
    );
  };

  const upkeep: Upkeep = {
    get degraded() {
      return degraded;
    },
    unusable: () => new Set(degraded.filter(({ is }) => USELESS.includes(is)).map(({ partition }) => partition)),
    lookAtPartitions: async () => {
      if (running === "ram" || ports.facts.resetting) return;
      const has = new Set(DATA_PARTITIONS.filter((name) => partitions[name]));
      const [oem, persistent] = await Promise.all([ports.mounted("oem"), ports.mounted("persistent")]);
      degraded = degradations(has, { oem, persistent });
      for (const name of DATA_PARTITIONS) {
        const found = degraded.find(({ partition }) => partition === name);
        if (found) raise(`PARTITION_${name.toUpperCase()}`, found.sentence);
        else clear(`PARTITION_${name.toUpperCase()}`);
      }
      if (persistent && !persistent.readOnly) await orSay("the reserve cannot be made", ports.keepReserve());
    },
    keepForNextBoot: async () => {
      await orSay("the seed cannot be stored", ports.record?.keepSeed(ports.random(SEED_BYTES)));
      await orSay("the time cannot be stored", ports.record?.keepClock(ports.now()));
    },
    findLogs: async (signal) => {
      const known = world.state.boots.flatMap(({ id }) => id ?? []);
      const wanted = failedBoots(world.state).filter(({ end }) => end && !end.log && end.how !== "damaged");
      for (const boot of wanted.slice(0, MAX_LOGS)) {
        signal.throwIfAborted();
        const log = await findLog(boot, known, ports.logs);
        const lastWords = await ports.lastWordsId();
        await remember((old) => ({
          ...old,
          boots: old.boots.map((entry) => (isSame(entry, boot) && entry.end ? { ...entry, end: { ...entry.end, log } } : entry)),
          ...(lastWords === undefined ? {} : { lastWords }),
        }));
        if (log.source === "none" && boot.slot !== "ram" && boot.slot !== running) suspect(boot.slot);
      }
    },
    loop: async (signal) => {
      await upkeep.keepForNextBoot();
      await lookAtCertificate();
      let nextKeep = ports.uptime() + KEEP_MS;
      for (;;) {
        await ports.wait(LOOK_MS, signal);
        await upkeep.lookAtPartitions();
        reconcile(signal);
        if (ports.uptime() < nextKeep) continue;
        nextKeep += KEEP_MS;
        await upkeep.keepForNextBoot();
        await lookAtCertificate();
      }
    },
    beat: async (signal) => {
      while (ports.watchdog) {
        await ports.watchdog.beat();
        await ports.wait(BEAT_MS, signal);
      }
    },
    recordCopies: async (signal) => {
      if (running === "ram" || ports.facts.resetting) return;
      for (;;) {
        const kept = isKept();
        if (kept) await orSay("copies are not recorded", ports.recordCopies(signal));
        await ports.wait(kept ? COPIES_MS : NOT_YET_MS, signal);
      }
    },
  };
  return upkeep;
}

const isSame = (one: BootEntry, other: BootEntry): boolean =>
  one.id === other.id && one.at === other.at && one.slot === other.slot;
