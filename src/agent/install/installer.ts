/** The one installation of a system that runs from memory: begun by one, followed by many. docs/concepts/install.md */
import { AppError } from "../../core/error.ts";
import type { InstallDisk, Installed, InstallNews, InstallPlan, InstallRequest, InstallStatus } from "../../layout/install.ts";
import type { AgentPorts } from "../ports.ts";

export interface Installer {
  /** Whether this system can be installed from: it runs from memory. */
  readonly isInstaller: boolean;
  /** Whether an installation has begun and not ended. */
  readonly isUnderWay: () => boolean;
  /** Of the one that is under way, or of the last one; nothing where there was none. */
  readonly status: () => InstallStatus | undefined;
  /** @throws AppError `NOT_AN_INSTALLER`, `INSTALL_RUNNING` */
  readonly disks: (signal: AbortSignal) => Promise<{ readonly disks: readonly InstallDisk[] }>;
  /** @throws AppError the first reason against it; as `disks` does */
  readonly plan: (request: Pick<InstallRequest, "device" | "wipe">, signal: AbortSignal) => Promise<InstallPlan>;
  /**
   * Begins an installation, and tells of it; what `after` says follows its end. An abort ends it, unless only the tables are still to be written.
   *
   * @throws AppError `NOT_AN_INSTALLER`, `INSTALL_RUNNING`; what it fails with
   */
  readonly install: (request: InstallRequest, signal: AbortSignal) => AsyncIterable<InstallNews>;
  /** News of the installation that is under way, or of the last one, from its plan on; none where there was none. */
  readonly follow: (signal: AbortSignal) => AsyncIterable<InstallNews>;
}

type Progress = Extract<InstallNews, { readonly phase: unknown }>;
/** What is known of an installation by now. */
interface Job {
  readonly request: InstallRequest;
  plan?: InstallPlan;
  progress?: Progress;
  end?: { readonly installed: Installed } | { readonly error: unknown };
  /** Resolves with the next change of any of these. */
  changed: PromiseWithResolvers<void>;
}

/** Somebody may want to read the fingerprint, and to take the medium out. */
const READING_MS = 5000;

export function openInstaller({
  facts,
  install: ports,
  init,
  log,
  wait,
  stages,
}: Pick<AgentPorts, "facts" | "install" | "init" | "log" | "wait" | "stages">): Installer {
  let current: Job | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  /** Who looks at a disk has it alone for a moment, and would find it in use by another who looks: a machine has several consoles. */
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => {});
    return await mine;
  };
  const isInstaller = facts.slot === "ram";
  const assertInstaller = (): void => {
    if (isInstaller) return;
    throw new AppError("NOT_AN_INSTALLER", "only a system that runs from memory can be installed to a disk", {
      hint: "Start the machine from an install medium, or from the network.",
    });
  };

  const assertIdle = (): void => {
    assertInstaller();
    if (!current || current.end) return;
    throw new AppError("INSTALL_RUNNING", "an installation is under way", {
      hint: "To see how far it is: petrify install --follow.",
    });
  };

  const begin = (request: InstallRequest, signal: AbortSignal): Job => {
    assertIdle();
    const job: Job = { request, changed: Promise.withResolvers() };
    current = job;
    void carryOut(job, request, signal);
    return job;
  };

  /** Never rejects: what it fails with is told to whoever follows. */
  const carryOut = async (job: Job, request: InstallRequest, signal: AbortSignal): Promise<void> => {
    const change = (news: Partial<Job>): void => {
      const { resolve } = job.changed;
      Object.assign(job, news, { changed: Promise.withResolvers() });
      resolve();
    };
    const stop = new AbortController();
    // Cut off now the disk would have to be written again from its beginning.
    const abort = (): void => void (job.progress?.phase !== "finishing" && stop.abort(signal.reason));
    signal.addEventListener("abort", abort);
    try {
      signal.throwIfAborted();
      const tell = (news: InstallNews): void => change("plan" in news ? news : { progress: news as Progress });
      await stages.start("before-install", stop.signal);
      const installed = await inTurn(async () => await ports.install(request, tell, stop.signal));
      log("info", `${installed.name} ${installed.version} is installed on ${installed.disk}`);
      await stages
        .start("after-install", new AbortController().signal)
        .catch((error: unknown) => log("alarm", (error as Error).message));
      change({ end: { installed } });
    } catch (cause) {
      const error = stop.signal.aborted ? stopped(cause) : cause;
      log("info", `the installation has failed: ${(error as Error).message}`);
      return change({ end: { error } });
    } finally {
      signal.removeEventListener("abort", abort);
    }
    if (request.after !== "stay") await wait(READING_MS, new AbortController().signal);
    const reason = `installed on ${job.plan?.disk.target.path ?? request.device}`;
    if (request.after === "reboot") await init.restart(reason).catch(unable("restarted", log));
    if (request.after === "poweroff") await init.powerOff(reason).catch(unable("turned off", log));
  };

  return {
    isInstaller,
    isUnderWay: () => current !== undefined && !current.end,
    status: () => current && statusOf(current),
    disks: async (signal) => {
      assertIdle();
      return { disks: await inTurn(async () => await ports.disks(signal)) };
    },
    plan: async (request, signal) => {
      assertIdle();
      return await inTurn(async () => await ports.plan(request, signal));
    },
    install: async function* (request, signal) {
      yield* newsOf(begin(request, signal), signal);
    },
    follow: async function* (signal) {
      assertInstaller();
      if (current) yield* newsOf(current, signal);
    },
  };
}

function statusOf({ request: { device, after }, plan, progress, end }: Job): InstallStatus {
  const known = { disk: plan?.disk.target.path ?? device, after };
  if (end && "error" in end) return { ...known, is: "failed", text: (end.error as Error).message };
  if (end) return { ...known, is: "done", text: "it is installed" };
  if (!progress) return { ...known, is: "running", text: "it begins" };
  const { phase, done, total } = progress;
  return { ...known, is: "running", text: phase, percent: total > 0 ? Math.floor((100 * done) / total) : 0 };
}

async function* newsOf(job: Job, signal: AbortSignal): AsyncGenerator<InstallNews> {
  const gone = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  let isPlanTold = false;
  let told: Progress | undefined;
  while (!signal.aborted) {
    const { changed, plan, progress, end } = job;
    if (plan && !isPlanTold) yield { plan };
    isPlanTold = plan !== undefined;
    if (progress && progress !== told) yield progress;
    told = progress;
    if (end && "error" in end) throw end.error;
    if (end) return yield { installed: end.installed };
    await Promise.race([changed.promise, gone]);
  }
}

const stopped = (cause: unknown): AppError => new AppError("INSTALL_STOPPED", "the installation was stopped", { cause });
const unable =
  (what: string, log: AgentPorts["log"]) =>
  (error: Error): void =>
    log("alarm", `the machine cannot be ${what}: ${error.message}`);
