/** Test double of a machine: a record and a state in memory, a clock that the test moves. */
import { AppError } from "../core/error.ts";
import { EMPTY_STATE, type AgentState } from "../layout/agent-state.ts";
import { DEFAULT_HEALTH_PLAN } from "../layout/health-plan.ts";
import type { MachineEvent } from "../layout/events.ts";
import { DEFAULT_RECOVERY_PLAN } from "../layout/recovery-plan.ts";
import type { AcceptedRelease, ImageSource, ImageSummary } from "../layout/operation.ts";
import type { RecordChange, RecordFacts } from "../layout/record-change.ts";
import type { BootRecord } from "../layout/record.ts";
import { NO_RUN_CONFIG } from "../layout/run-config.ts";
import { isResetPending, type ResetOrder } from "../layout/reset-order.ts";
import type { BootTarget, SlotName } from "../layout/slots.ts";
import type { Tries } from "../layout/tries.ts";
import { EMPTY_UPDATES, type UpdatesState } from "../layout/updates-state.ts";
import type { FoundLocks } from "../host/restart-locks.ts";
import type { BootRecordStore } from "../host/boot-record.ts";
import { sha256 } from "../host/sha256.ts";
import { fakeInitSystem, type FakeInitSystem } from "../host/init-system.ts";
import type { ImagePorts, InspectedImage, ReleaseJudgement } from "./operations/ports.ts";
import type { AgentPorts, VerificationResult } from "./ports.ts";
import type { ResetDisk } from "./reset-disk.ts";
import type { SlotStore, StoreFaults } from "./slot-store.ts";
import { noAuditLog } from "./audit-log.ts";
import type { BootConfig } from "./config/boot-config.ts";
import type { ConfigWork, DoConfigWork } from "./config/work.ts";
import type { MountedData } from "./degraded.ts";
import type { CheckReport } from "./health/check.ts";
import type { TrustedKeys } from "../release/trusted-keys.ts";

/** What survives the machine's boots. */
export interface FakeDisk {
  record: BootRecord;
  tries: Tries;
  state: AgentState;
  clock: number;
  /** Keys that the machine has kept. */
  trusted?: TrustedKeys;
  /** Nobody knows which keys these are. */
  trustUnknown?: boolean;
  /** What can be upgraded to, by path or URL. */
  images?: Readonly<Record<string, ImageSummary>>;
  /** What a release is judged as. */
  release?: (judgement: ReleaseJudgement) => AcceptedRelease;
  /** Digests of what was written, by place; `half` while it is being. */
  places?: Readonly<Record<string, string>>;
  /** Damage by digest: whatever place holds that image. */
  rotten?: Readonly<Record<string, string>>;
  capacity?: number;
  /** Of the machine's certificate, in seconds since 1970. */
  certificateEnds?: number;
  /** Slots that have no place on it; what is asked of their images fails. */
  lost?: StoreFaults;
  /** Nobody can read what the slots are in. */
  storeUnreadable?: string;
  /** One for each time that the slots' file system is made, from the next one on. */
  makingFails?: (Error | undefined)[];
  /** One for each write, from the next one on. */
  writeFails?: (Error | undefined)[];
  /** Those that its config has, and why they fail. */
  stages?: Readonly<Record<string, string | undefined>>;
  /** Makes {@link FakeMachine.kept} fail. */
  refusesState?: boolean;
  keyUnreadable?: boolean;
  /** Of its machine config, by slot: digest of the image that it was made for; absent where it has none. */
  config?: { readonly [slot in SlotName]?: string };
  /** Digests of images that cannot do what it says; its only key is `hostname`, and their manifests may tell that they do not know it. */
  refusing?: readonly string[];
  /** What manifests say besides. */
  tells?: Pick<InspectedImage, "machineConfig">;
  /** What lies on the data partitions. */
  data?: FakeData;
  /** That it is to be reset. */
  order?: ResetOrder;
  /** Nothing boots from it. */
  isErased?: boolean;
  /** The image whose release's documents are kept. */
  kept?: string;
  /** What it remembers of its updates. */
  updates?: UpdatesState;
  /** What keeps it from restarting by itself. */
  locks?: FoundLocks["locks"];
  /** Tags of every repository. */
  tags?: readonly string[];
  /** One for each time that a data partition is made anew, from the next one on. */
  wipeFails?: (Error | undefined)[];
  /** Until it is written again. */
  recordUnreadable?: boolean;
}
export interface FakeMachine extends AgentPorts {
  readonly init: FakeInitSystem;
  readonly record: BootRecordStore;
  readonly said: string[];
  /** Events. */
  readonly told: MachineEvent[];
  /** What happened to the disk, in order. */
  readonly done: string[];
  /** Reasons of failing checks by name. */
  readonly failing: Record<string, string>;
  readonly mounts: { oem: MountedData | undefined; persistent: MountedData | undefined };
  readonly damage: { [image: string]: string };
  /** What it has of a machine config. */
  boot: BootConfig;
  /** Called where the agent waits, in place of time that passes; ends the boot by returning false. */
  onWait: (uptime: number) => boolean;
}

const ROOM: MountedData = { readOnly: false, free: 100, size: 200, freeInodes: 100, inodes: 200 };

export function fakeMachine(
  disk: FakeDisk,
  boot: { readonly id: string; readonly slot?: BootTarget; readonly stop: AbortController },
): FakeMachine {
  const said: string[] = [];
  const told: MachineEvent[] = [];
  const done: string[] = [];
  let uptime = 3000;
  const failing: Record<string, string> = {};
  const mounts: FakeMachine["mounts"] = { oem: ROOM, persistent: ROOM };
  const damage: Record<string, string> = {};
  const facts = (): RecordFacts => ({
    found: disk.recordUnreadable ? { is: "unreadable", why: "damaged" } : { is: "whole", sequence: 1, record: disk.record },
    tries: disk.tries,
  });
  const partition = (name: string) => ({ guid: name, device: `/dev/${name}` });
  const isResetting = boot.slot === "recovery" && disk.order !== undefined && isResetPending({ is: "order", order: disk.order });
  const machine: FakeMachine = {
    ...{
      said,
      told,
      done,
      failing,
      mounts,
      damage,
      pid: 1,
      bootId: boot.id,
      jitter: 0,
      recoveryPlan: DEFAULT_RECOVERY_PLAN,
    },
    facts: {
      ...{
        slot: boot.slot ?? "a",
        file: boot.slot === "recovery" ? "/recovery1.img" : "/a.img",
        rootHash: "00",
        disk: "/dev/vda",
        notes: [],
        reached: {},
      },
      partitions: {
        oem: partition("oem"),
        persistent: partition("persistent"),
        record: partition("record"),
        efi: partition("efi"),
      },
      image: { name: "test", version: "1.0", created: 0, persistent: [] },
      ...(isResetting ? { resetting: true } : {}),
    },
    machineConfig: {
      now: () => machine.boot,
      read: async () => await Promise.resolve(),
      work: fakeConfigWork(disk, done),
    },
    boot: {
      plan: { ...DEFAULT_HEALTH_PLAN, deadlineSeconds: 60 },
      ...(disk.config ? { config: { ...NO_RUN_CONFIG, generation: 1 } } : {}),
      notes: [],
    },
    stages: {
      runs: () => [],
      drift: () => undefined,
      start: async (name) => {
        await Promise.resolve();
        if (!disk.stages || !Object.hasOwn(disk.stages, name)) return;
        done.push(`stage ${name}`);
        const why = disk.stages[name];
        if (why !== undefined) throw new AppError("STAGE_FAILED", why);
      },
    },
    machine: { id: "00", hostname: "test" },
    init: fakeInitSystem(),
    onWait: () => true,
    record: {
      read: async () => await Promise.resolve(facts()),
      change: async (decide) => {
        const change: RecordChange = decide(facts());
        if (change.record) done.push("record");
        if (change.record) disk.recordUnreadable = false;
        if (change.tries) done.push("tries");
        disk.record = change.record ?? disk.record;
        disk.tries = change.tries ?? disk.tries;
        return await Promise.resolve(facts());
      },
      keepClock: async () => await Promise.resolve(void done.push("clock")),
      keepSeed: async () => await Promise.resolve(void done.push("seed")),
      readRaw: async () => await Promise.resolve(new Uint8Array()),
      writeRaw: async () => await Promise.resolve(),
    },
    store: {
      ...{ found: isResetting ? EMPTY_STATE : disk.state, problems: [], readOnly: false },
      store: async (state) => {
        await Promise.resolve();
        if (isResetting) return;
        if (disk.refusesState) throw new Error("no space left on device");
        done.push("state");
        disk.state = state;
      },
    },
    audit: noAuditLog,
    trust: {
      trusted: () => {
        if (disk.trustUnknown) {
          throw new AppError("TRUST_UNKNOWN", "the trusted keys of this machine cannot be read", {
            hint: "Look at the oem partition.",
          });
        }
        return disk.trusted;
      },
      problems: disk.trustUnknown ? ["the trusted keys cannot be read"] : [],
      keep: async (keys) => {
        await Promise.resolve();
        if (disk.trusted && keys.epoch <= disk.trusted.epoch) return;
        if (disk.refusesState) throw new AppError("TRUST_NOT_STORED", "no space left on device");
        done.push("trust");
        disk.trusted = keys;
      },
    },
    logs: {
      journal: async ({ id }) => await Promise.resolve(id === undefined ? undefined : `journal of ${id}`),
      pstore: async () => await Promise.resolve(undefined),
      lastWords: async () => await Promise.resolve(undefined),
    },
    lastWordsId: async () => await Promise.resolve(undefined),
    check: async () => {
      const results = ["boot", "web"].map((name) => ({
        name,
        ok: !(name in failing),
        ...(failing[name] ? { reason: failing[name] } : {}),
        ms: 1,
      }));
      const report: CheckReport = { at: uptime, results, ok: results.every(({ ok }) => ok) };
      return await Promise.resolve(report);
    },
    failedUnits: async () => await Promise.resolve([]),
    mounted: async (name) => await Promise.resolve(mounts[name]),
    verify: async ({ image, from }, recovery, progress) => {
      done.push(`verify ${image} from ${from}`);
      assertPlace(disk, image);
      progress({ blocks: 10, done: 1, total: 2 });
      const found = damage[image === "recovery" ? `recovery${recovery}` : image] ?? damage[image] ?? rotOf(disk, image);
      return await Promise.resolve<VerificationResult>(found === undefined ? {} : { damage: found });
    },
    images: fakeImages(disk, done, damage),
    slotStore: fakeSlotStore(disk, done),
    installSources: {
      cmdline: async () => await Promise.resolve(""),
      brought: async () => await Promise.resolve(undefined),
      volumes: async () => await Promise.resolve([]),
      devices: async () => await Promise.resolve([]),
      fetch: async () => await Promise.reject(new Error("there is no network")),
    },
    sha256,
    install: {
      disks: async () => await Promise.resolve([]),
      plan: async () => await Promise.reject(new AppError("DEVICE_MISSING", "there are no disks")),
      install: async () => await Promise.reject(new AppError("DEVICE_MISSING", "there are no disks")),
    },
    waitsForOwner: false,
    fingerprint: async () => {
      await Promise.resolve();
      if (disk.keyUnreadable) throw new Error("it cannot be read");
      return "SHA256:test";
    },
    updates: {
      store: async () =>
        await Promise.resolve({
          ...{ found: disk.updates ?? EMPTY_UPDATES, isNewer: false },
          store: async (state) => await Promise.resolve(void (disk.updates = state)),
        }),
      locks: {
        read: async () => await Promise.resolve({ locks: disk.locks ?? [], problems: [] }),
        set: async (lock) => {
          await Promise.resolve();
          disk.locks = [...(disk.locks ?? []).filter(({ name }) => name !== lock.name), lock];
        },
        remove: async (name) => {
          const before = disk.locks ?? [];
          disk.locks = before.filter((lock) => lock.name !== name);
          return await Promise.resolve(disk.locks.length < before.length);
        },
      },
      isMetered: async () => await Promise.resolve(false),
      post: async () => await Promise.reject(new Error("there is no network")),
    },
    resetDisk: fakeResetDisk(disk, done, () => boot.stop.abort()),
    certificateEnds: async () => await Promise.resolve(disk.certificateEnds),
    watchdog: { beat: async () => await Promise.resolve(void done.push("beat")), [Symbol.asyncDispose]: async () => {} },
    keepReserve: async () => await Promise.resolve(),
    recordCopies: async () => await Promise.resolve(void done.push("copies")),
    random: (bytes) => new Uint8Array(bytes),
    now: () => disk.clock,
    clockIsSet: async () => await Promise.resolve({ isSet: true, why: "NTP keeps it" }),
    uptime: () => uptime,
    wait: async (ms, signal) => {
      await Promise.resolve();
      if (signal.aborted) throw signal.reason;
      uptime += Math.min(ms, 5000);
      disk.clock += Math.min(ms, 5000) / 1000;
      await new Promise((resolve) => setImmediate(resolve));
      if (!machine.onWait(uptime) || machine.init.restarts.length + machine.init.powerOffs.length > 0) boot.stop.abort();
      if (signal.aborted) throw signal.reason;
    },
    log: (level, line, event) => {
      said.push(`${level}: ${line}`);
      if (event) told.push(event);
    },
  };
  return machine;
}

/** Of one whose config no test looks into. */
function fakeConfigWork(disk: FakeDisk, done: string[]): DoConfigWork {
  const refuse = (name: string): AppError =>
    new AppError("CONFIG_UNSUPPORTED", `the image ${name} cannot do all that the config says`, {
      hint: "Apply another one first.",
    });
  return async (given) => {
    await Promise.resolve();
    const request: ConfigWork = given;
    if (request.do === "fits") {
      if (!Object.hasOwn(request.language, "hostname")) throw refuse(`${request.image.name} ${request.image.version}`);
    } else if (request.do === "take-along") {
      done.push(`take config along to ${request.slot}`);
      if (disk.refusing?.includes(request.digest)) throw refuse(request.digest);
      disk.config = { ...disk.config, [request.slot]: request.digest };
    } else throw new Error(`no machine config: ${request.do}`);
    return { generation: 1 } as never;
  };
}

/** Images by the path that a request names; what a place holds is in {@link FakeDisk.places}. */
function fakeImages(disk: FakeDisk, done: string[], damage: Readonly<Record<string, string>>): ImagePorts {
  const verdict = (what: string): VerificationResult => {
    const found = damage[what] ?? rotOf(disk, what);
    return found === undefined ? {} : { damage: found };
  };
  const keyOf = (source: ImageSource): string =>
    source.is === "file"
      ? source.path
      : source.is === "url"
        ? source.url
        : source.is === "registry"
          ? source.reference.replace(/@.*/, "")
          : "recovery";
  return {
    inspect: async (source, _, judgement) => {
      await Promise.resolve();
      const image = disk.images?.[keyOf(source)];
      if (!image) throw new AppError("IMAGE_UNREADABLE", `${keyOf(source)} cannot be read (ENOENT)`);
      const release = source.is === "registry" && judgement ? disk.release?.(judgement) : undefined;
      if (release && source.is === "registry") {
        return {
          ...{ image, kernel: "6.12", created: 0, architecture: "x86-64", trust: "signed by a key", release },
          source: { is: "registry", reference: `${keyOf(source)}@sha256:${image.digest}` },
          delivery: { way: "the whole image", bytes: image.size, of: image.size },
        };
      }
      return { image, source, kernel: "6.12", created: 0, architecture: "x86-64", trust: "unsigned", ...disk.tells };
    },
    tags: async () => await Promise.resolve(disk.tags ?? []),
    inspectPlace: async () => {
      await Promise.resolve();
      const image = disk.images?.["recovery"];
      if (!image) throw new AppError("IMAGE_UNREADABLE", "recovery cannot be read");
      return { image, source: { is: "recovery" }, kernel: "6.12", created: 0, architecture: "x86-64", trust: "unsigned" };
    },
    check: async (source) => {
      done.push(`check ${keyOf(source)}`);
      return await Promise.resolve(verdict(keyOf(source)));
    },
    write: async ({ source, image, place, from, bandwidth, keep }, progress) => {
      done.push(`write ${place} from ${from}${bandwidth === undefined ? "" : `, ${bandwidth} bytes a second`}`);
      if (keep) disk.kept = image.digest;
      assertPlace(disk, place);
      disk.places = { ...disk.places, [place]: "half" };
      const failure = disk.writeFails?.shift();
      const downloaded = { bytes: image.size / 2 - from, of: image.size };
      if (source.is === "registry") progress({ way: "the whole image" });
      progress({ written: image.size / 2, ...(source.is === "registry" ? { downloaded } : {}) });
      await new Promise((resolve) => setImmediate(resolve));
      if (failure) throw failure;
      if (!disk.images?.[keyOf(source)]) throw new AppError("IMAGE_UNREADABLE", "it is gone");
      disk.places = { ...disk.places, [place]: image.digest };
      return source.is === "registry" ? { downloaded: { bytes: image.size - from, of: image.size } } : {};
    },
    verify: async (place, digest) => {
      done.push(`verify ${place}`);
      await Promise.resolve();
      const found = disk.places?.[place];
      if (found !== undefined && found !== digest) return { damage: "it is another image" };
      return verdict(place);
    },
    capacity: async (place) => {
      await Promise.resolve();
      assertPlace(disk, place);
      return disk.capacity ?? CAPACITY;
    },
  };
}

/** Made anew it holds no images. */
function fakeSlotStore(disk: FakeDisk, done: string[]): SlotStore {
  const assertReadable = (): void => {
    if (disk.storeUnreadable !== undefined) throw new Error(disk.storeUnreadable);
  };
  return {
    look: async () => {
      await Promise.resolve();
      assertReadable();
      return disk.lost ?? {};
    },
    capacity: async () => {
      await Promise.resolve();
      assertReadable();
      return disk.capacity ?? CAPACITY;
    },
    make: async () => {
      done.push("make store");
      disk.lost = HALF_MADE;
      const failure = disk.makingFails?.shift();
      await new Promise((resolve) => setImmediate(resolve));
      if (failure) throw failure;
      disk.places = { ...disk.places, a: "blank", b: "blank" };
      delete disk.lost;
    },
  };
}
function fakeResetDisk(disk: FakeDisk, done: string[], isOff: () => void): ResetDisk {
  const data = (): FakeData => (disk.data ??= { ...FULL_DATA });
  return {
    order: async () => await Promise.resolve(disk.order ? { is: "order", order: disk.order } : { is: "none" }),
    give: async (order) => {
      await Promise.resolve();
      done.push(`order ${order?.at ?? "gone"}`);
      if (order) disk.order = order;
      else delete disk.order;
    },
    wipe: async (partition) => {
      done.push(`wipe ${partition}`);
      disk.data = { ...data(), ...(partition === "persistent" ? { persistent: "half" } : HALF_OEM) };
      const failure = disk.wipeFails?.shift();
      await new Promise((resolve) => setImmediate(resolve));
      if (failure) throw failure;
      if (partition === "oem") disk.state = EMPTY_STATE;
      disk.data = { ...disk.data, ...(partition === "persistent" ? { persistent: "blank" } : BLANK_OEM) };
    },
    erase: async (partition, progress) => {
      done.push(`erase ${partition}`);
      await Promise.resolve();
      if (partition === "state") disk.lost = HALF_MADE;
      else disk.data = { ...data(), ...(partition === "persistent" ? { persistent: "half" } : HALF_OEM) };
      progress(1, 2);
    },
    assertOem: async () => {
      await Promise.resolve();
      if (data().config === "half") throw new Error("the oem partition cannot be mounted");
    },
    emptyOem: async ({ config, identity }) => {
      done.push("empty oem");
      await Promise.resolve();
      disk.state = EMPTY_STATE;
      disk.data = { ...data(), ...(config ? {} : { config: "blank" }), ...(identity ? {} : { keys: "blank" }) };
    },
    eraseRest: async (progress) => {
      done.push("erase rest");
      await Promise.resolve();
      disk.isErased = true;
      progress(1, 1);
      isOff();
    },
    forgetWords: async () => await Promise.resolve(void done.push("forget words")),
    forgetIdentity: async () => {
      done.push("forget identity");
      await Promise.resolve();
      disk.data = { ...data(), machineId: "blank" };
    },
  };
}
/** What lies on the data partitions: what was there, nothing, or what is of no use. */
export type FakeContent = "kept" | "blank" | "half";
export interface FakeData {
  readonly persistent: FakeContent;
  readonly config: FakeContent;
  readonly keys: FakeContent;
  readonly machineId: FakeContent;
}
export const FULL_DATA: FakeData = { persistent: "kept", config: "kept", keys: "kept", machineId: "kept" };
const HALF_OEM = { config: "half", keys: "half" } as const;
const BLANK_OEM = { config: "blank", keys: "blank" } as const;
export const HALF_MADE: StoreFaults = { a: "it holds no file system", b: "it holds no file system" };
const CAPACITY = 1_000_000_000;

function assertPlace({ lost, storeUnreadable }: FakeDisk, place: string): void {
  const why = place === "a" || place === "b" ? (storeUnreadable ?? lost?.[place]) : undefined;
  if (why !== undefined) throw new AppError("IMAGE_NOT_VERIFIED", why);
}

function rotOf({ places, rotten }: FakeDisk, place: string): string | undefined {
  const held = places?.[place];
  if (held === "half" || held === "blank") return held === "half" ? "it is half written" : "there is no image";
  return held === undefined ? undefined : rotten?.[held];
}

export const freshDisk = (more: Partial<FakeDisk> = {}): FakeDisk => ({
  record: { active: "a", slots: { a: { state: "proven", digest: "aa" }, b: { state: "proven", digest: "bb" } }, recovery: 1 },
  tries: { a: 6, b: 6 },
  state: EMPTY_STATE,
  clock: 1_800_000_000,
  ...more,
});
