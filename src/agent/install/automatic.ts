/** Installs without anybody being asked, where somebody has said so beforehand. docs/concepts/install.md */
import type { Sha256 } from "../../core/digest.ts";
import { errorDocument, type ErrorDocument } from "../../core/error.ts";
import { formatSize } from "../../core/units.ts";
import type { CloudVolume } from "../../host/cloud-volumes.ts";
import { describeTarget } from "../../layout/flash-target.ts";
import { parseInstallWords, type InstallWords } from "../../layout/install-words.ts";
import type { InstallDisk, InstallNews, InstallPlan, InstallRequest } from "../../layout/install.ts";
import { afterFailure, doneBefore, wanted, type AutomaticStatus, type FoundConfig } from "./wanted.ts";

/** Where somebody may have said what to install; part of the agent's ports. */
export interface InstallSources {
  readonly cmdline: () => Promise<string>;
  /** What came with the initrd; nothing where nothing did. */
  readonly brought: () => Promise<string | undefined>;
  readonly volumes: () => Promise<readonly CloudVolume[]>;
  /** @throws AppError */
  readonly fetch: (url: string, signal: AbortSignal) => Promise<string>;
  /** Block devices as they come and go. */
  readonly devices: () => Promise<readonly { readonly name: string; readonly sectors: number }[]>;
}
export interface AutomaticPorts extends InstallSources {
  /** Takes a while: every disk is looked at. */
  readonly disks: (signal: AbortSignal) => Promise<readonly InstallDisk[]>;
  /** @throws AppError the reason against it */
  readonly plan: (request: InstallRequest, signal: AbortSignal) => Promise<InstallPlan>;
  readonly install: (request: InstallRequest, signal: AbortSignal) => AsyncIterable<InstallNews>;
  readonly rootHash: string;
  readonly sha256: Pick<Sha256, "digest">;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Milliseconds since the kernel's start. */
  readonly uptime: () => number;
  /** An alarm shows on every console. */
  readonly log: (level: "info" | "alarm", line: string) => void;
}
/** What the call for it answers. */
export interface AutomaticReport {
  readonly status: AutomaticStatus;
  /** Somebody is installing. */
  readonly isUnderWay: boolean;
}
export interface Automatic {
  readonly status: () => AutomaticStatus;
  /** Ends once there is nothing more to wait for. */
  readonly loop: (signal: AbortSignal) => Promise<void>;
}

const LOOK_MS = 2000;
/** Disks count as all there when none has come or gone for so long: USB takes its time. */
const SETTLED_MS = 4000;
/** A disk that was refused is looked at again after so long. */
const AGAIN_MS = 30_000;
/** Of the web, between two tries. */
const [FIRST_PAUSE_MS, LONGEST_PAUSE_MS] = [1000, 60_000];

export function openAutomatic(ports: AutomaticPorts): Automatic {
  let status: AutomaticStatus = { is: "none" };
  /** The console's own program shows the status where it runs. */
  let level: "info" | "alarm" = "alarm";

  const become = (next: AutomaticStatus): void => {
    const before = "text" in status ? status.text : "";
    status = next;
    if (next.is === "none" || next.text === before) return;
    const hint = "hint" in next && next.hint !== undefined ? ` ${next.hint}` : "";
    for (const line of `install: ${next.text}.${hint}`.split("\n")) ports.log(level, line);
  };

  /** @returns nothing when a word cannot be understood */
  const readWords = async (): Promise<InstallWords | undefined> => {
    try {
      const words = parseInstallWords(await ports.cmdline());
      if (words.isInstaller) level = "info";
      return words;
    } catch (error) {
      become({ ...afterFailure(error), is: "stopped" } as AutomaticStatus);
      return undefined;
    }
  };

  /** @returns whether there is something more to wait for */
  const look = async ({ words, configs, settled }: Looking, signal: AbortSignal): Promise<boolean> => {
    const found = wanted(words, await configs(signal), ports);
    if (found.is === "problem") {
      const { message, hint } = found.problem;
      become({ is: "stopped", text: message, ...(hint === undefined ? {} : { hint }) });
      return false;
    }
    const { isSettled, isNew, used } = settled(await ports.devices());
    if (found.is === "nothing") {
      become({ is: "none" });
      // A system that only happens to run from memory does not look out for what may be plugged into it later.
      return words.isInstaller || !isSettled;
    }
    if (found.is === "awaited") become({ is: "waiting", text: found.why });
    else if (isSettled && isNew) {
      used();
      become(await attempt(found.request, found.from, signal));
      return status.is === "waiting";
    } else if (status.is === "none") become({ is: "waiting", text: `${found.from} says to install to ${found.request.device}` });
    return true;
  };

  const loop = async (signal: AbortSignal): Promise<void> => {
    const words = await readWords();
    if (!words) return;
    const looking = { words, configs: configReader(ports, words), settled: settling(ports.uptime) };
    for (;;) {
      try {
        if (!(await look(looking, signal))) return;
      } catch (error) {
        signal.throwIfAborted();
        become({ is: "waiting", text: `it cannot be found out what to install: ${(error as Error).message}` });
      }
      await ports.wait(LOOK_MS, signal);
    }
  };

  const attempt = async (request: InstallRequest, from: string, signal: AbortSignal): Promise<AutomaticStatus> => {
    try {
      const before = doneBefore(request.source, await ports.disks(signal));
      if (before) return before;
      const { disk, rule, image } = await ports.plan(request, signal);
      const what = `${image.name} ${image.version} to ${describeTarget(disk.target)}`;
      become({ is: "installing", text: `installing ${what}, as ${from} says. ${rule.replace(/\.$/, "")}` });
      return await follow(request, signal);
    } catch (error) {
      signal.throwIfAborted();
      return afterFailure(error);
    }
  };
  const follow = async (request: InstallRequest, signal: AbortSignal): Promise<AutomaticStatus> => {
    let phase: string | undefined;
    for await (const news of ports.install(request, signal)) {
      if ("phase" in news && news.phase !== phase) {
        phase = news.phase;
        ports.log(level, `install: ${phase}${news.total > 1 ? ` ${formatSize(news.total)}` : ""}`);
      }
      if (!("installed" in news)) continue;
      const { name, version, disk, fingerprint } = news.installed;
      return { is: "installed", text: `${name} ${version} is installed on ${disk}; its fingerprint is ${fingerprint}` };
    }
    throw new Error("the installation ended without a word");
  };

  return { status: () => status, loop };
}

/** What is remembered from one look to the next. */
interface Looking {
  readonly words: InstallWords;
  readonly configs: ReturnType<typeof configReader>;
  readonly settled: ReturnType<typeof settling>;
}

/** What there is in each place, in the order in which it counts. */
function configReader(ports: AutomaticPorts, { configUrl }: InstallWords): (signal: AbortSignal) => Promise<FoundConfig[]> {
  let brought: Promise<string | undefined> | undefined;
  const fetched = configUrl === undefined ? undefined : fetching(ports, configUrl);
  return async (signal) => {
    const text = await (brought ??= ports.brought());
    const volumes = await ports.volumes();
    return [
      ...(text === undefined ? [] : [await parsed("the machine config of the medium", text)]),
      ...(await Promise.all(
        volumes.map(async (volume): Promise<FoundConfig> => {
          const origin = `user-data of ${volume.device}`;
          if ("text" in volume) return await parsed(origin, volume.text);
          return { origin, is: { problem: { code: "MACHINE_CONFIG_INVALID", message: `${volume.device}: ${volume.problem}` } } };
        }),
      )),
      ...(fetched ? [await fetched(signal)] : []),
    ];
  };
}

/** Once there is a document it stays; until then it is asked for again, less and less often. */
function fetching(ports: AutomaticPorts, url: string): (signal: AbortSignal) => Promise<FoundConfig> {
  const origin = "the config of petrify.config_url";
  let pause = FIRST_PAUSE_MS;
  let nextAt = 0;
  let last: FoundConfig = { origin, is: { awaited: "the config of petrify.config_url is fetched" } };
  return async (signal) => {
    if (!("awaited" in last.is) || ports.uptime() < nextAt) return last;
    try {
      last = await parsed(origin, await ports.fetch(url, signal));
    } catch (error) {
      signal.throwIfAborted();
      const problem = errorDocument(error);
      last = { origin, is: problem.code === "FETCH_FAILED" ? { awaited: problem.message } : { problem } };
      nextAt = ports.uptime() + pause;
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
    return last;
  };
}

/** The parser is loaded only where there is something to parse: no other boot pays for it. */
async function parsed(origin: string, text: string): Promise<FoundConfig> {
  const { parseMachineConfig } = await import("../../config/machine-config.ts");
  try {
    return { origin, is: { text, install: parseMachineConfig(text, origin).install } };
  } catch (error) {
    const problem: ErrorDocument = errorDocument(error);
    return { origin, is: { problem } };
  }
}

/**
 * Whether no device has come or gone for a while, and whether any has since they were used: once in a while they count as new all the same, for a disk
 * may change without a word.
 */
function settling(uptime: () => number): (devices: Awaited<ReturnType<AutomaticPorts["devices"]>>) => {
  readonly isSettled: boolean;
  readonly isNew: boolean;
  readonly used: () => void;
} {
  let before: string | undefined;
  let since = 0;
  let usedAt: number | undefined;
  return (devices) => {
    const now = devices.map(({ name, sectors }) => `${name} ${sectors}`).join("\n");
    if (now !== before) {
      since = uptime();
      usedAt = undefined;
    }
    before = now;
    return {
      isSettled: uptime() - since >= SETTLED_MS,
      isNew: usedAt === undefined || uptime() - usedAt >= AGAIN_MS,
      used: () => void (usedAt = uptime()),
    };
  };
}
