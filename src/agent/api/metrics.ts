/** What Prometheus is told of a machine. Pure. docs/concepts/metrics.md */
import type { MachineFigures } from "../../host/machine-figures.ts";
import { SLOTS } from "../../layout/slots.ts";
import type { AgentStatus } from "../status.ts";
import type { Labels, Metric } from "./metrics-text.ts";

/** Ends of certificates, in seconds since 1970. */
export interface CertificateEnds {
  readonly machine: number;
  /** Of the authority whose certificate ends first. */
  readonly authority: number;
}

export function metricsOf(
  version: string,
  status: AgentStatus,
  figures: MachineFigures,
  certificates: CertificateEnds,
): readonly Metric[] {
  return [
    ...aboutMachine(version, status, certificates),
    ...aboutSlots(status),
    ...aboutHealth(status),
    ...aboutUpdates(status),
    ...aboutLoad(figures),
  ];
}

const gauge = (name: string, help: string, samples: Metric["samples"]): Metric => ({
  ...{ name: `petrify_${name}`, type: "gauge", help, samples },
});
/** A sample of each state, 1 for the one that is. */
const states = (all: readonly string[], now: string, labels: Labels = {}): Metric["samples"] =>
  all.map((state) => [Number(state === now), { ...labels, state }]);

function aboutMachine(
  version: string,
  { at, machine, image, boot, config, operation, drift }: AgentStatus,
  certificates: CertificateEnds,
): Metric[] {
  const labels = { version, image: image.name, image_version: image.version, image_digest: image.digest ?? "" };
  return [
    gauge("info", "What runs on this machine; always 1.", [
      [1, { ...labels, machine_id: machine.id, hostname: machine.hostname }],
    ]),
    gauge("boot_time_seconds", "When the kernel was started, in seconds since 1970.", [[at - boot.uptime]]),
    gauge("uptime_seconds", "Since the kernel was started.", [[boot.uptime]]),
    gauge("operation_active", "Whether something changes an image now, or waits for a restart or for its health.", [
      [Number(operation !== undefined), operation ? { kind: operation.kind, step: operation.at } : {}],
    ]),
    gauge(
      "operation_percent",
      "How far the step of the operation is.",
      operation?.percent === undefined ? [] : [[operation.percent]],
    ),
    gauge("config_generation", "Number of the machine config that this boot has.", [
      ...(config?.generation === undefined ? [] : [[config.generation] as const]),
    ]),
    gauge("config_trial", "Whether the machine config counts for this boot alone unless it is confirmed.", [
      ...(config ? [[Number(config.trial)] as const] : []),
    ]),
    gauge("config_notes", "What of the machine config could not be done.", config ? [[config.notes.length]] : []),
    gauge("drift", "Where the machine is no longer as its config says, and was not mended.", [
      ...(drift ? [[(drift.left ?? drift.found).length] as const] : []),
    ]),
    gauge("certificate_expiry_timestamp_seconds", "End of a certificate, in seconds since 1970.", [
      [certificates.machine, { of: "machine" }],
      [certificates.authority, { of: "authority" }],
    ]),
  ];
}

const SLOT_STATES = ["trial", "proven", "bad", "empty", "unknown"] as const;
const TARGETS = ["a", "b", "recovery", "ram"] as const;

function aboutSlots({ running, next, slots }: AgentStatus): Metric[] {
  const each = (sample: (name: (typeof SLOTS)[number]) => number | undefined): Metric["samples"] =>
    SLOTS.flatMap((slot) => {
      const value = sample(slot);
      return value === undefined ? [] : [[value, { slot }] as const];
    });
  return [
    gauge("running", "What this boot came from: 1 for the one that runs.", [
      ...TARGETS.map((target) => [Number(target === running), { target }] as const),
    ]),
    gauge("boot_next", "1 for what is booted once in place of the active slot.", next ? [[1, { target: next }]] : []),
    gauge(
      "slot_active",
      "Whether the slot is the one that is booted.",
      each((slot) => Number(slots[slot].role === "active")),
    ),
    gauge(
      "slot_state",
      "State of a slot: 1 for the one that it has.",
      SLOTS.flatMap((slot) => states(SLOT_STATES, slots[slot].state, { slot })),
    ),
    gauge(
      "slot_tries",
      "Boots that the loader still grants a slot.",
      each((slot) => slots[slot].tries),
    ),
    gauge(
      "slot_verified_timestamp_seconds",
      "When every byte of a slot was verified last, in seconds since 1970.",
      each((slot) => slots[slot].scrub?.at),
    ),
    gauge(
      "slot_damaged",
      "Whether that has found damage.",
      each((slot) => slots[slot].scrub && Number(slots[slot].scrub.damage !== undefined)),
    ),
  ];
}

function aboutHealth({ health, alarms, degraded, failedBoots }: AgentStatus): Metric[] {
  return [
    gauge(
      "health",
      "Whether the machine does what it is for: 1 for the state that it has.",
      states(["starting", "healthy", "unhealthy"], health.is),
    ),
    gauge("health_check_ok", "Whether a health check has passed the last time.", [
      ...health.checks.map(({ name, ok }) => [Number(ok), { check: name }] as const),
    ]),
    gauge("alarms", "How many things there are that somebody should look at.", [[alarms.length]]),
    gauge(
      "alarm",
      "1 for each of them.",
      alarms.map(({ code }) => [1, { code }] as const),
    ),
    gauge("data_partition_degraded", "1 for each data partition that the machine has to do without, wholly or in part.", [
      ...degraded.map(({ partition, is }) => [1, { partition, is }] as const),
    ]),
    gauge("failed_boots", "Boots that failed, of those that are remembered.", [[failedBoots.length]]),
  ];
}

function aboutUpdates({ updates, image }: AgentStatus): Metric[] {
  if (!updates) return [];
  const { step, because, release, lookedAt, lookFailures, failures, left, isPaused, took, lock } = updates;
  const isNewer = release !== undefined && release.image !== image.digest;
  return [
    gauge("update_available", "1 for a release that the source has, and that does not run.", [
      ...(isNewer ? [[1, { version: release.version, security: String(release.security) }] as const] : []),
    ]),
    gauge("update_step", "What the machine does to stay current: 1 for the step, or for why it does nothing.", [
      [1, { step, because: because ?? "" }],
    ]),
    gauge("update_looked_timestamp_seconds", "When the source was looked at last, in seconds since 1970.", [
      ...(lookedAt === undefined ? [] : [[lookedAt] as const]),
    ]),
    gauge("update_failures", "One after the other, of looking and of bringing the release here.", [
      [lookFailures, { of: "look" }],
      [failures, { of: "release" }],
    ]),
    gauge("update_paused", "Whether somebody has paused updates.", [[Number(isPaused)]]),
    gauge("update_fallen_back", "Releases that fell back on this machine, of those that are remembered.", [[left]]),
    gauge("update_fleet_lock", "Whether the machine holds the fleet's lock.", [[Number(lock === "held")]]),
    gauge("update_duration_seconds", "What the last update took, from staging to a healthy machine.", [
      ...(took === undefined ? [] : [[took] as const]),
    ]),
  ];
}

function aboutLoad({ load, memory, cpu, room }: MachineFigures): Metric[] {
  const bytes = (name: string, help: string, value: number | undefined): Metric =>
    gauge(name, help, value === undefined ? [] : [[value]]);
  const rooms = Object.entries(room);
  return [
    ...[1, 5, 15].map((minutes, index) =>
      gauge(
        `load${minutes}`,
        `Processes that run or wait for a disk, on average of the last ${minutes} min.`,
        load ? [[load[index]!]] : [],
      ),
    ),
    {
      ...{ name: "petrify_cpu_seconds_total", type: "counter", help: "Time of all processors together, by what they did." },
      samples: Object.entries(cpu).map(([mode, seconds]) => [seconds, { mode }] as const),
    },
    bytes("memory_total_bytes", "Memory that the kernel has.", memory["MemTotal"]),
    bytes("memory_available_bytes", "Memory that programs could still have.", memory["MemAvailable"]),
    bytes("swap_total_bytes", "Swap space.", memory["SwapTotal"]),
    bytes("swap_free_bytes", "Swap space that is not used.", memory["SwapFree"]),
    gauge(
      "filesystem_size_bytes",
      "Size of a data file system.",
      rooms.map(([mountpoint, { size }]) => [size, { mountpoint }] as const),
    ),
    gauge(
      "filesystem_avail_bytes",
      "Room in it that is not root's alone.",
      rooms.map(([mountpoint, { free }]) => [free, { mountpoint }] as const),
    ),
    gauge(
      "filesystem_files",
      "Files that it can hold.",
      rooms.map(([mountpoint, { inodes }]) => [inodes, { mountpoint }] as const),
    ),
    gauge(
      "filesystem_files_free",
      "Files that it can still take.",
      rooms.map(([mountpoint, { freeInodes }]) => [freeInodes, { mountpoint }] as const),
    ),
    gauge(
      "filesystem_readonly",
      "Whether nothing can be written to it.",
      rooms.map(([mountpoint, { readOnly }]) => [Number(readOnly), { mountpoint }] as const),
    ),
  ];
}
