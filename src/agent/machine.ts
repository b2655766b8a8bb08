/** The agent's ports on a real machine. */
import { MAINTENANCE_FILE, MAINTENANCE_WORD } from "../layout/api-places.ts";
import { commandLineWords } from "../layout/cmdline.ts";
import { crc32 } from "../layout/crc32.ts";
import { decodeLastWords } from "../layout/last-words.ts";
import { parseRecoveryPlan, RECOVERY_PLAN_PATH } from "../layout/recovery-plan.ts";
import { LAST_WORDS_OFFSET, LAST_WORDS_SIZE } from "../layout/record.ts";
import { RUNTIME_VARIABLES } from "../layout/runtime-variables.ts";
import { parseRunFacts, RUN_FACTS_PATH } from "../layout/run-facts.ts";
import { API_FOLDER, CERTIFICATE_FILE } from "../layout/api-places.ts";
import { INSTALLER_CONFIG, MACHINE_CONFIG_LIMIT } from "../layout/machine-config-place.ts";
import { AUTHORITIES_PATH } from "../layout/authorities-path.ts";
import { AUDIT_FOLDER } from "../layout/audit-log.ts";
import { auditFiles } from "../host/audit-files.ts";
import { bootRecordOn } from "../host/boot-record.ts";
import { journalOf, takePstore } from "../host/boot-logs.ts";
import { blockDevices, findCloudVolumes } from "../host/cloud-volumes.ts";
import { certificatesIn } from "../host/certificates.ts";
import { fetchText } from "../host/fetch-text.ts";
import { clockIsSet } from "../host/clock-is-set.ts";
import { mountedAt } from "../host/file-system.ts";
import { fileExists, readText } from "../host/files.ts";
import { initSystem } from "../host/init-detect.ts";
import { nodeKeyOn } from "../host/node-key.ts";
import { httpProbe, tcpProbe } from "../host/probe.ts";
import type { Run } from "../host/run.ts";
import { sha256 } from "../host/sha256.ts";
import { driftNow, stageRuns } from "../host/stage-machine.ts";
import { takeWatchdog } from "../host/hardware-watchdog.ts";
import { keepReserve } from "../host/reserve.ts";
import { recordSeenFiles } from "../host/seen-files.ts";
import { forgetfulStore, openStateStore } from "../host/state-store.ts";
import { wait } from "../host/wait.ts";
import type { AgentPorts } from "./ports.ts";
import { auditEvent, auditLine } from "./audit-event.ts";
import { auditLog, noAuditLog } from "./audit-log.ts";
import { readBootConfig } from "./config/boot-config.ts";
import { configWork } from "./config/work.ts";
import { DATA_FOLDERS } from "./degraded.ts";
import { runChecks } from "./health/check.ts";
import { checksOf } from "./health/registry.ts";
import { installWork } from "./install/work.ts";
import { imageWork } from "./image-work.ts";
import { httpProxies, type ProxySettings } from "./proxy-settings.ts";
import { resetDisk } from "./reset-disk.ts";
import { slotStore } from "./slot-store.ts";
import { stageControl } from "./stages/stage-control.ts";
import { openTrustStore } from "./trust-store.ts";

const STATE_FOLDER = "/oem/petrify/agent";
/** A service of its own, with these streams; it goes on where the agent ends. Source: systemd-run(1) */
const OUTSIDE = [
  ...["systemd-run", "--quiet", "--collect", "--pipe", "--wait", "--service-type=exec", "--description=Machine config"],
  ...["--property=UMask=0077", `--property=UnsetEnvironment=${RUNTIME_VARIABLES.join(" ")}`, "--setenv=MALLOC_ARENA_MAX=1", "--"],
] as const;

export interface MachineEdge extends Pick<AgentPorts, "pid" | "uptime" | "now" | "random" | "log"> {
  readonly run: Run;
  /** argv of image-main.ts. */
  readonly imageWorker: readonly [string, ...string[]];
  /** By which it reaches registries. */
  readonly proxies: ProxySettings;
  /** argv of install-main.ts. */
  readonly installWorker: readonly [string, ...string[]];
  /** argv of config-main.ts. */
  readonly configWorker: readonly [string, ...string[]];
  /** argv of stage-main.ts. */
  readonly stageRunner: readonly [string, ...string[]];
  /** Folder of mke2fs and debugfs. */
  readonly programs: string;
}

/** @throws AppError `RUN_FACTS_INVALID` */
export async function openMachine(edge: MachineEdge): Promise<AgentPorts> {
  const { run, imageWorker, installWorker, configWorker, stageRunner, programs } = edge;
  const text = async (path: string): Promise<string> => (await readText(path)).trim();
  const facts = parseRunFacts(await readText(RUN_FACTS_PATH));
  const { record: recordPart, efi } = facts.partitions;
  const record =
    facts.slot !== "ram" && recordPart && efi ? bootRecordOn({ record: recordPart.device, efi: efi.device }) : undefined;
  const machineId = await text("/etc/machine-id");
  const hostname = await text("/proc/sys/kernel/hostname");
  const init = await initSystem(run, fileExists);
  let config = await readBootConfig(facts);
  const recovery = parseRecoveryPlan(await readText(RECOVERY_PLAN_PATH).catch(() => undefined));
  const folder = facts.slot === "ram" || facts.resetting ? undefined : STATE_FOLDER;
  const store = folder === undefined ? forgetfulStore : await openStateStore(folder);
  const trust = await openTrustStore({ folder }, sha256);
  const lastWords = async (): Promise<Uint8Array | undefined> =>
    await record?.readRaw(LAST_WORDS_OFFSET, LAST_WORDS_SIZE).catch(() => undefined);
  const lastWordsId = async (): Promise<string | undefined> => {
    const bytes = await lastWords();
    return bytes && decodeLastWords(bytes) ? crc32(bytes).toString(16).padStart(8, "0") : undefined;
  };
  return {
    ...edge,
    machineConfig: {
      now: () => config,
      read: async () => void (config = await readBootConfig(facts)),
      // The agent may write neither to /etc nor set the host name, and the less so what a config may do.
      work: configWork({ run, program: configWorker, outside: init.kind === "systemd" ? OUTSIDE : [] }),
    },
    stages: stageControl({
      run,
      init,
      program: stageRunner,
      exists: fileExists,
      runs: stageRuns,
      drift: driftNow,
      now: edge.now,
    }),
    facts: { ...facts, notes: [...facts.notes, ...config.notes, ...recovery.notes] },
    get machine() {
      return { id: machineId, hostname: config.hostname ?? hostname };
    },
    bootId: await text("/proc/sys/kernel/random/boot_id"),
    record,
    store,
    trust,
    audit:
      folder === undefined
        ? noAuditLog
        : auditLog({
            ...{ files: auditFiles(AUDIT_FOLDER), now: edge.now, sha256 },
            alarm: (line) => edge.log("alarm", line),
            told: (fields, n) => edge.log("info", auditLine(fields, n), auditEvent(fields, n)),
          }),
    init,
    logs: {
      journal: async (boot) => await journalOf(run, boot),
      pstore: takePstore,
      lastWords: async () => {
        const bytes = await lastWords();
        return bytes && (await lastWordsId()) !== store.found.lastWords ? decodeLastWords(bytes) : undefined;
      },
    },
    lastWordsId,
    recoveryPlan: recovery.plan,
    check: async (state, degraded, signal) => {
      const ports = { init, run, httpProbe, tcpProbe, readText, degraded: () => degraded, baseline: () => state.failedUnits };
      return await runChecks(checksOf(config.plan, ports), signal, edge.uptime);
    },
    failedUnits: async () => await init.failed(),
    mounted: async (partition) => await mountedAt(DATA_FOLDERS[partition], "ext4"),
    ...imageWork({
      ...{ run, program: imageWorker, facts, proxies: edge.proxies },
      kept: folder === undefined ? undefined : `${folder}/release`,
    }),
    clockIsSet: async () => await clockIsSet(edge.now()),
    install: installWork({ run, program: installWorker }),
    installSources: {
      cmdline: async () => await readText("/proc/cmdline"),
      brought: async () => ((await fileExists(INSTALLER_CONFIG)) ? await readText(INSTALLER_CONFIG) : undefined),
      volumes: findCloudVolumes,
      devices: blockDevices,
      fetch: async (url, signal) => await fetchText(url, MACHINE_CONFIG_LIMIT, signal),
    },
    sha256,
    waitsForOwner:
      (await fileExists(MAINTENANCE_FILE)) ||
      commandLineWords(await readText("/proc/cmdline")).some(([word]) => word === MAINTENANCE_WORD),
    fingerprint: async () => (await nodeKeyOn(DATA_FOLDERS.oem)).fingerprint,
    certificateEnds: async () => {
      const [own] = certificatesIn(await readText(`${API_FOLDER}/${CERTIFICATE_FILE}`).catch(() => ""));
      return own && own.validToDate.getTime() / 1000;
    },
    slotStore: slotStore({ run, programs, facts, now: edge.now }),
    updates: {
      // Read by machines that keep themselves current.
      store: async () => {
        const { openUpdatesStore } = await import("../host/updates-store.ts");
        return await openUpdatesStore(folder);
      },
      locks: {
        read: async () => await (await restartLocks()).readRestartLocks("/"),
        set: async (lock) => await (await restartLocks()).setRestartLock("/", lock),
        remove: async (name) => await (await restartLocks()).removeRestartLock("/", name),
      },
      isMetered: async (signal) => {
        const { isMetered } = await import("../host/metered.ts");
        return await isMetered(run, signal);
      },
      post: async (url, body, headers, signal) => {
        const { postJson } = await import("../host/post-json.ts");
        return await postJson(url, body, headers, signal, { authorities: AUTHORITIES_PATH, proxies: httpProxies(edge.proxies) });
      },
    },
    resetDisk: resetDisk({ run, programs, facts, record, now: edge.now }),
    jitter: Number.parseInt(machineId.slice(0, 6), 16) / 0x1000000,
    wait,
    // systemd looks after it itself.
    watchdog: init.kind === "systemd" ? undefined : await takeWatchdog(),
    keepReserve: async () => await keepReserve("/"),
    recordCopies: async (signal) => void (await recordSeenFiles("/", signal)),
  };
}

const restartLocks = async () => await import("../host/restart-locks.ts");
