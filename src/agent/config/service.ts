/** The machine config as people and programs ask for it: one change at a time, and a trial that ends. docs/concepts/config.md */
import { AppError } from "../../core/error.ts";
import { untilAborted } from "../../host/wait.ts";
import type { ConfigTrial, GenerationNumber } from "../../layout/generations.ts";
import type { RunConfig } from "../../layout/run-config.ts";
import { ANSWERED } from "../../layout/stage-results.ts";
import { driftOf, type HealthStatus } from "../status.ts";
import type { World } from "../world.ts";
import type { ConfigResult } from "./apply-config.ts";
import { openKernelArgs } from "./kernel-args.ts";
import type { ConfigAnswers, ConfigDifference, ConfigWork } from "./work.ts";

type Request<Do extends ConfigWork["do"]> = Omit<Extract<ConfigWork, { readonly do: Do }>, "do">;
/** @property documents in their order; absent: those of every place that a machine looks at */
type ApplyRequest = Pick<Request<"apply">, "mode"> & Partial<Pick<Request<"apply">, "documents">>;

export interface ConfigService {
  /** With mode `dry-run` nothing changes, and nothing keeps it from being told. @throws AppError `OPERATION_RUNNING`, those of applying */
  readonly apply: (request: ApplyRequest, signal: AbortSignal) => Promise<ConfigResult>;
  /** The same, from a generation that there was. */
  readonly rollback: (request: Request<"rollback">, signal: AbortSignal) => Promise<ConfigResult>;
  /** @throws AppError `CONFIG_NO_TRIAL` */
  readonly confirm: () => Promise<ConfigAnswers["confirm"]>;
  readonly history: (signal: AbortSignal) => Promise<ConfigAnswers["history"]>;
  /** Takes as long as the network does. */
  readonly sources: (request: Request<"sources">, signal: AbortSignal) => Promise<ConfigAnswers["sources"]>;
  readonly diff: (request: Request<"diff">, signal: AbortSignal) => Promise<ConfigDifference>;
  /** What the machine's health is may be another than before: a config that is on trial until that is known is kept, or given back. */
  readonly judged: () => void;
  /** This boot is there to try kernel arguments. */
  readonly isArgsTrial: () => boolean;
  /** This boot has been found healthy: what it tries is kept. */
  readonly healthy: () => Promise<void>;
  /** It has not, and ends now: what it tries is given back. @param reason a sentence */
  readonly unhealthy: (reason: string) => Promise<void>;
  /** Works until the signal is aborted: a trial that nobody confirms is given back, what was cut short is put right, and what is only known over the network is asked for. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
}

/** What boots try is over already when the loader grants it no more: what is remembered of it may take so long. */
const GIVE_BACK_LIMIT_MS = 30_000;
/** Of a clock that is set back meanwhile. */
const LONGEST_TRIAL_MS = 60_000;
const RETRY_MS = 2000;
/** A machine may be cut off by what is to be given back. */
const LONGEST_RETRY_MS = 60_000;
/** Whoever is asked over the network may be there much later. */
const LONGEST_PAUSE_MS = 600_000;

export interface ConfigSurroundings {
  /** Why nothing may begin now, whatever it is. */
  readonly refusal: () => AppError | undefined;
  /** The config that runs may be another than before. */
  readonly changed: () => Promise<void>;
  readonly health: () => HealthStatus["is"];
}

export function openConfigService(
  world: Pick<World, "ports" | "running" | "state" | "record" | "changeRecord" | "raise" | "clear">,
  { refusal, changed, health }: ConfigSurroundings,
): ConfigService {
  const { ports, raise, clear } = world;
  const { machineConfig } = ports;
  const kernelArgs = openKernelArgs(world);
  let turn: Promise<unknown> = Promise.resolve();
  let wake = Promise.withResolvers<void>();
  let isHealthy = false;
  let verdict = Promise.withResolvers<void>();

  const wakeUp = (): void => {
    const { resolve } = wake;
    wake = Promise.withResolvers();
    resolve();
  };

  /** Not cut short where somebody stops waiting for it: half of a change is worse than either. */
  const inTurn = async <Do extends keyof ConfigAnswers>(
    request: Extract<ConfigWork, { readonly do: Do }>,
    mayBegin: () => void = () => {},
  ): Promise<ConfigAnswers[Do]> => {
    const mine = turn.then(async () => {
      mayBegin();
      try {
        return await machineConfig.work(request, new AbortController().signal);
      } finally {
        await machineConfig.read();
        await kernelArgs.settle();
        await changed();
        wakeUp();
      }
    });
    turn = mine.catch(() => {});
    return await mine;
  };

  const assertFree = (): void => {
    const refused = refusal();
    if (refused) throw refused;
    const { operation } = world.state;
    // A slot on trial runs: its config is its own.
    if (!operation || operation.at === "trial") return;
    const isStaged = operation.at === "flipped";
    throw new AppError(
      "OPERATION_RUNNING",
      isStaged ? "an upgrade waits for a restart: the config would be that of the old slot" : "an operation is under way",
      {
        hint: isStaged
          ? "Restart first with `petrify reboot`, or take the upgrade back with `petrify upgrade --cancel`."
          : "Wait for it with `petrify upgrade --follow`, or end it with `petrify upgrade --cancel`.",
      },
    );
  };

  const change = async (
    request: Extract<ConfigWork, { readonly do: "apply" | "rollback" }>,
    signal: AbortSignal,
  ): Promise<ConfigResult> => {
    if (request.mode === "dry-run") {
      const result = await machineConfig.work<"apply" | "rollback">(request, signal);
      const drift = driftOf(ports.stages.drift(), machineConfig.now().config?.generation);
      return drift ? { ...result, drift } : result;
    }
    const result = await inTurn<"apply" | "rollback">(request, assertFree);
    tellApplied(result);
    return result;
  };
  /** Whoever is asked over the network may take minutes, in which others may change the config. */
  const applyFound = async (mode: ConfigResult["mode"], signal: AbortSignal): Promise<ConfigResult> => {
    if (mode !== "dry-run") assertFree();
    const { documents, ...found } = await machineConfig.work({ do: "find" }, signal);
    return await change({ do: "apply", documents, found, mode }, signal);
  };
  const tellApplied = ({ changed: isNew, generation, mode, problems, trial }: ConfigResult): void => {
    if (!isNew) return;
    const says = trial && trial.until === undefined ? "is tried by the next boot" : VERBS[mode];
    ports.log("info", `machine config ${generation} ${says}`, {
      kind: "config-applied",
      config: { ...numberOf(generation), mode },
    });
    for (const problem of problems) ports.log("info", `machine config ${generation}: ${problem}`);
  };

  const tellConfirmed = (generation: GenerationNumber, says: string): void =>
    ports.log("info", `machine config ${generation} ${says}`, { kind: "config-confirmed", config: { generation } });

  /** In the boot after it nothing of it is there. */
  const isLive = ({ generation }: ConfigTrial): boolean => machineConfig.now().config?.generation === generation;

  /** @returns whether it is over, one way or the other */
  const giveBack = async ({ id, generation }: ConfigTrial, signal: AbortSignal): Promise<boolean> => {
    try {
      const { changed: isBack } = await inTurn({ do: "revert", id });
      clear("CONFIG_TRIAL");
      if (isBack)
        ports.log("alarm", `machine config ${generation} was not confirmed: ${present(machineConfig.now().config)} is back`, {
          kind: "config-given-back",
          config: { generation, reason: "it was not confirmed" },
        });
      return true;
    } catch (error) {
      signal.throwIfAborted();
      raise(
        "CONFIG_TRIAL",
        `machine config ${generation} was not confirmed, and cannot be given back: ${(error as Error).message}`,
      );
      return false;
    }
  };

  /** Nobody is there to confirm what a boot has found. */
  const byHealth = async (trial: ConfigTrial, signal: AbortSignal): Promise<void> => {
    const is = health();
    let isOver = false;
    if (is === "unhealthy") isOver = await giveBack(trial, signal);
    if (is === "healthy") isOver = await keepTrial(trial, signal);
    if (!isOver) await untilAborted(Promise.race([wake.promise, verdict.promise]), signal);
  };
  const keepTrial = async ({ generation }: ConfigTrial, signal: AbortSignal): Promise<boolean> => {
    try {
      await inTurn({ do: "confirm" });
      tellConfirmed(generation, "is kept: this machine is healthy with it");
      return true;
    } catch (error) {
      signal.throwIfAborted();
      ports.log("info", `machine config ${generation} is not kept yet: ${(error as Error).message}`);
      return false;
    }
  };

  const endTrials = async (signal: AbortSignal): Promise<never> => {
    let known: { readonly id: string; readonly until: number | undefined; readonly endsMs: number } | undefined;
    let pause = RETRY_MS;
    for (;;) {
      signal.throwIfAborted();
      const { trial } = machineConfig.now();
      if (!trial) {
        await untilAborted(wake.promise, signal);
        continue;
      }
      if (trial.until === undefined && isLive(trial)) {
        await byHealth(trial, signal);
        continue;
      }
      const { id, until = 0 } = trial;
      // By a clock that nobody sets, once it is seen.
      if (known?.id !== id || known.until !== until)
        known = { id, until, endsMs: ports.uptime() + Math.min(LONGEST_TRIAL_MS, (until - ports.now()) * 1000) };
      const left = isLive(trial) ? known.endsMs - ports.uptime() : 0;
      if (left > 0) await Promise.race([ports.wait(left, signal), untilAborted(wake.promise, signal)]);
      else if (await giveBack(trial, signal)) pause = RETRY_MS;
      else {
        await Promise.race([ports.wait(pause, signal), untilAborted(wake.promise, signal)]);
        pause = Math.min(2 * pause, LONGEST_RETRY_MS);
      }
    }
  };

  /** Of a worker that was killed, also by an agent that starts later. */
  const settle = async (signal: AbortSignal): Promise<never> => {
    let pause = RETRY_MS;
    for (;;) {
      signal.throwIfAborted();
      if (!machineConfig.now().isHalf) {
        pause = RETRY_MS;
        await untilAborted(wake.promise, signal);
        continue;
      }
      try {
        await inTurn({ do: "settle" });
      } catch (error) {
        signal.throwIfAborted();
        ports.log("info", `what was half laid of a machine config is not put right yet: ${(error as Error).message}`);
      }
      if (machineConfig.now().isHalf) await ports.wait(pause, signal);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  };

  /** Until everything that is asked has answered once; then what waited for it is done. */
  const askNetwork = async (signal: AbortSignal): Promise<void> => {
    if (!machineConfig.now().awaits) return;
    for (let pause = RETRY_MS; machineConfig.now().awaits; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      // What is on trial would be kept with it.
      while (machineConfig.now().trial) await untilAborted(wake.promise, signal);
      try {
        assertFree();
        const found = await machineConfig.work({ do: "find" }, signal);
        const answer = await inTurn({ do: "network", found }, assertFree);
        if (!("none" in answer)) tellApplied(answer);
      } catch (error) {
        signal.throwIfAborted();
        ports.log("info", `what the machine config takes from the network is not there yet: ${(error as Error).message}`);
      }
      // What somebody applies ends it, too.
      if (machineConfig.now().awaits) await Promise.race([ports.wait(pause, signal), untilAborted(wake.promise, signal)]);
    }
    await ports.stages.start(ANSWERED, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      ports.log("info", (error as Error).message);
    });
  };

  const toldBack = (generation: GenerationNumber | undefined, reason: string): void =>
    ports.log("alarm", `machine config ${generation} was given back: ${reason}`, {
      kind: "config-given-back",
      config: { ...numberOf(generation), reason },
    });

  /** What boots try is kept, or given back, as soon as that is certain. @returns whether nothing is left to do */
  const endArgsTrial = async (): Promise<boolean> => {
    const refused = await kernelArgs.settle();
    const { trial } = machineConfig.now().kernelArgs ?? {};
    if (refused) {
      await inTurn({ do: "revert", id: refused.id, reason: refused.reason });
      toldBack(trial?.generation, refused.reason);
    } else if (trial && isHealthy && kernelArgs.isTrial()) {
      await inTurn({ do: "confirm", id: trial.id });
      tellConfirmed(trial.generation, "is kept, with its kernel arguments");
    } else return true;
    return false;
  };
  const endArgsTrials = async (signal: AbortSignal): Promise<never> => {
    for (let pause = 0; ;) {
      signal.throwIfAborted();
      const { promise } = wake;
      try {
        const isOver = await endArgsTrial();
        if (pause > 0) clear("KERNEL_ARGS_TRIAL");
        pause = 0;
        if (isOver) await untilAborted(promise, signal);
      } catch (error) {
        signal.throwIfAborted();
        raise("KERNEL_ARGS_TRIAL", `the trial of kernel arguments cannot be ended: ${(error as Error).message}`);
        pause = Math.min(2 * pause || RETRY_MS, LONGEST_RETRY_MS);
        await ports.wait(pause, signal);
      }
    }
  };

  return {
    isArgsTrial: kernelArgs.isTrial,
    healthy: async () => {
      isHealthy = true;
      await endArgsTrial().catch(() => wakeUp()); // the loop goes on trying
    },
    unhealthy: async (reason) => {
      const { trial } = machineConfig.now().kernelArgs ?? {};
      if (!trial || !kernelArgs.isTrial()) return;
      await kernelArgs.endTries();
      const over = new AbortController();
      const back = inTurn({ do: "revert", id: trial.id, reason }).then(() => toldBack(trial.generation, reason));
      await Promise.race([back, ports.wait(GIVE_BACK_LIMIT_MS, over.signal)])
        .catch((error: unknown) => ports.log("info", `why is not remembered: ${(error as Error).message}`))
        .finally(() => over.abort());
    },
    apply: async ({ documents, mode }, signal) =>
      documents ? await change({ do: "apply", documents, mode }, signal) : await applyFound(mode, signal),
    rollback: async (request, signal) => await change({ do: "rollback", ...request }, signal),
    confirm: async () => {
      const confirmed = await inTurn({ do: "confirm" });
      clear("CONFIG_TRIAL");
      tellConfirmed(confirmed.generation, "is confirmed");
      return confirmed;
    },
    history: async (signal) => await machineConfig.work({ do: "history" }, signal),
    sources: async (request, signal) => await machineConfig.work({ do: "sources", ...request }, signal),
    diff: async (request, signal) => await machineConfig.work({ do: "diff", ...request }, signal),
    judged: () => {
      const { resolve } = verdict;
      verdict = Promise.withResolvers();
      resolve();
    },
    loop: async (signal) =>
      void (await Promise.all([endTrials(signal), settle(signal), askNetwork(signal), endArgsTrials(signal)])),
  };
}

const VERBS: Readonly<Record<ConfigResult["mode"], string>> = {
  auto: "is in place",
  "no-reboot": "is in place",
  staged: "is laid at the next boot",
  try: "is on trial for a minute",
  "dry-run": "is not applied",
};
const numberOf = (generation: GenerationNumber | undefined): { readonly generation?: GenerationNumber } =>
  generation === undefined ? {} : { generation };
const present = (config: RunConfig | undefined): string =>
  config?.generation === undefined ? "none" : `machine config ${config.generation}`;
