/** Updates on a machine: what they see of it, and do to it. Read only where a machine config has anything for it. */
import type { UpdatesConfig } from "../../config/updates/updates-config.ts";
import { AppError } from "../../core/error.ts";
import type { FinishedOperation } from "../../layout/operation.ts";
import type { KnownRelease } from "../../layout/updates-state.ts";
import { shortLine } from "../../layout/short-line.ts";
import { formatReference, parseReference } from "../../registry/reference.ts";
import type { OperationService, UpgradeRequest } from "../operations/service.ts";
import type { World } from "../world.ts";
import { chooseRelease, newestTag } from "./choose.ts";
import type { UpdateFacts } from "./decide.ts";
import { fleetId, fleetLock, type FleetLock } from "./fleet-lock.ts";
import type { UpdatePorts } from "./ports.ts";
import { openUpdates, type Updates } from "./updates.ts";

/** As history and audit log name who asks. */
const BY = "updates";
/** Whoever is told must not hold up an update. */
const WEBHOOK_MS = 10_000;

export async function openNodeUpdates(world: World, operations: OperationService): Promise<Updates> {
  return openUpdates(await portsOf(world, operations));
}

async function portsOf(world: World, operations: OperationService): Promise<UpdatePorts> {
  const { ports } = world;
  const { machineConfig, images, log, now, wait } = ports;
  const lockOf = ({ coordination }: UpdatesConfig): FleetLock => {
    if (coordination) return fleetLock(coordination.fleetlock, fleetId(ports.machine.id, ports.sha256), ports.updates.post);
    throw new Error("no fleet");
  };
  const told = new Set<string>();
  /** Once: somebody believes that it keeps the machine from restarting. */
  const tellOfNoLock = (problem: string): void => {
    if (told.has(problem)) return;
    told.add(problem);
    log("alarm", `updates: ${problem}`);
  };
  return {
    ...{ log, now, wait, store: await ports.updates.store() },
    uptime: () => ports.uptime() / 1000,
    config: () => machineConfig.now().updates,
    facts: async (wanted) => await factsOf(world, wanted, tellOfNoLock),
    history: () => world.state.operations,
    random: () => (ports.random(1)[0] ?? 0) / 256,
    look: async (config, left, signal) => {
      const reference = await referenceOf(config, async (repository) => await images.tags(repository, signal));
      if (reference === undefined) return undefined;
      const found = await inspected(operations, reference, signal);
      return found && chooseRelease([found], config.channel, undefined, left);
    },
    download: async ({ reference }, signal) =>
      await upgraded(operations, reference, { only: "download", ...bandwidthOf(machineConfig) }, signal),
    stage: async ({ reference, image }, signal) => {
      if (stagedImage(world) === image) return await assertStillWhole(world, operations, signal);
      await upgraded(operations, reference, bandwidthOf(machineConfig), signal);
    },
    restart: async () => await operations.restart(undefined, BY),
    tell: async ({ webhook }, news, signal) => {
      if (!webhook) return;
      const limited = AbortSignal.any([signal, AbortSignal.timeout(WEBHOOK_MS)]);
      const body = { machine: ports.machine, at: Math.floor(now()), ...news };
      try {
        const { status } = await ports.updates.post(webhook.url, body, webhook.headers ?? {}, limited);
        if (status >= 300) log("info", `updates: the webhook answers ${status}`);
      } catch (error) {
        signal.throwIfAborted();
        log("info", `updates: the webhook does not answer: ${shortLine((error as Error).message)}`);
      }
    },
    lock: {
      take: async (config, signal) => await lockOf(config).take(signal),
      giveBack: async (config, signal) => await lockOf(config).giveBack(signal),
    },
  };
}

async function factsOf(
  world: World,
  wanted: KnownRelease | undefined,
  tellOfNoLock: (problem: string) => void,
): Promise<UpdateFacts> {
  const {
    ports,
    running,
    record: { found },
    state,
  } = world;
  const slot = found.is === "whole" && (running === "a" || running === "b") ? found.record.slots[running] : undefined;
  const isSlot = slot?.state === "proven" || slot?.state === "trial";
  const { operation } = state;
  const staged = stagedImage(world);
  const isDownloaded = wanted !== undefined && isLastDownload(state.operations, wanted.image);
  const { locks, problems } = await ports.updates.locks.read();
  for (const problem of problems) tellOfNoLock(problem);
  const at =
    wanted !== undefined && staged === wanted.image
      ? "staged"
      : isDownloaded && staged === undefined
        ? "downloaded"
        : "elsewhere";
  return {
    clockIsSet: (await ports.clockIsSet()).isSet,
    running: {
      is: isSlot && slot.digest !== undefined ? slot.state : "other",
      image: slot?.digest ?? "",
    },
    at,
    ...(operation && staged === undefined && { busy: "another operation is under way" }),
    locks,
    // Nobody else wants to know, and asking takes a process.
    isMetered:
      at === "elsewhere" &&
      wanted !== undefined &&
      comesByLine(wanted) &&
      (await ports.updates.isMetered(new AbortController().signal)),
    uptime: ports.uptime() / 1000,
  };
}

/** What the next restart boots, where that is not what runs. */
const stagedImage = ({ state: { operation } }: World): string | undefined =>
  operation?.kind === "upgrade" && operation.at === "flipped" ? operation.image.digest : undefined;

/** Of what is staged, which may have been so for weeks. Damaged, it is taken back: then it is fetched anew. @throws AppError `UPDATE_DAMAGED` */
async function assertStillWhole({ ports, state }: World, operations: OperationService, signal: AbortSignal): Promise<void> {
  const { operation } = state;
  if (operation?.kind !== "upgrade") return;
  const { target, image } = operation;
  const { damage } = await ports.images.verify(target, image.digest, () => {}, signal);
  if (damage === undefined) return;
  await operations.cancel();
  throw new AppError("UPDATE_DAMAGED", `what was staged in slot ${target} is damaged: ${damage}`, {
    hint: "It is fetched again.",
  });
}

/** What lies in a folder of this machine, such as a stick, costs nothing. */
const comesByLine = ({ reference }: KnownRelease): boolean => !reference.startsWith("oci:");

/** Nothing else has been written to the other slot since. */
function isLastDownload(operations: readonly FinishedOperation[], image: string): boolean {
  const last = operations.findLast(({ kind }) => kind !== "recovery-upgrade");
  return last?.only === "download" && last.outcome === "succeeded" && last.image.digest === image;
}

/** What is to be looked at. @returns nothing where no tag is in the range */
async function referenceOf(
  { source = "", channel }: UpdatesConfig,
  tags: (repository: string) => Promise<readonly string[]>,
): Promise<string | undefined> {
  const repository = parseReference(source);
  if ("digest" in channel) return formatReference({ ...repository, digest: channel.digest });
  if ("tag" in channel) return formatReference({ ...repository, tag: channel.tag });
  const tag = newestTag(await tags(source), channel.versions);
  return tag === undefined ? undefined : formatReference({ ...repository, tag });
}

/** Judged as an upgrade to it would be. @returns nothing where there is nothing newer */
async function inspected(
  operations: OperationService,
  reference: string,
  signal: AbortSignal,
): Promise<KnownRelease | undefined> {
  try {
    const { image: found } = await operations.plan(requestOf(reference, true), signal);
    const { image, release, source } = found;
    if (!release || source.is !== "registry") throw new AppError("RELEASE_NOT_FOUND", `${reference} is no release`);
    return {
      ...{ image: image.digest, version: image.version, created: release.created, security: release.security === true },
      reference: source.reference,
    };
  } catch (error) {
    if (error instanceof AppError && NOTHING_NEWER.has(error.code)) return undefined;
    throw error;
  }
}
const NOTHING_NEWER: ReadonlySet<string> = new Set(["ALREADY_RUNNING", "RELEASE_OLDER"]);

/** Until nothing more is done by itself. @throws AppError as the operation has failed */
async function upgraded(
  operations: OperationService,
  reference: string,
  how: Pick<UpgradeRequest, "only" | "bandwidth">,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const news of operations.upgrade({ ...requestOf(reference, false), ...how }, signal, BY)) {
      if (!("ended" in news) || news.ended.outcome === "succeeded") continue;
      const { outcome, reason = `it was ${outcome}`, code = "UPDATE_FAILED" } = news.ended;
      throw new AppError(code, reason);
    }
  } catch (error) {
    if (!(error instanceof AppError && error.code === "ALREADY_STAGED")) throw error;
  }
}

const bandwidthOf = ({ now }: World["ports"]["machineConfig"]): Pick<UpgradeRequest, "bandwidth"> => {
  const bandwidth = now().updates?.bandwidth;
  return bandwidth === undefined ? {} : { bandwidth };
};
const requestOf = (reference: string, restart: boolean) =>
  ({ source: { is: "registry", reference }, recovery: false, force: false, restart }) as const;
