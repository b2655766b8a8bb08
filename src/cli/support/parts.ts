/** What a bundle for a report of a fault holds: a file for each call that a machine answers. Nothing is changed, and each has its own limits. docs/concepts/support.md */
import { MiB, type Bytes } from "../../core/units.ts";

/** A machine that answers calls of the contract, in their JSON form: over the network, or this one. */
export type AskMachine = (call: string, request: object, signal: AbortSignal) => AsyncIterable<object>;

export interface SupportPart {
  readonly file: string;
  readonly limitMs: number;
  /** Texts; what is in them is still as the machine has said it. */
  readonly texts: (ask: AskMachine, signal: AbortSignal) => AsyncIterable<SupportText>;
}
/** `json` is a document, which is looked through by its names. */
export type SupportText = { readonly json: object; readonly onOneLine?: true } | { readonly text: string };

const LIMIT_MS = 30_000;
/** Of one that reads much. */
const LONG_MS = 90_000;
const LOG_LINES = 5000;
const EVENTS = 2000;
/** Of units that somebody has laid on a machine. */
const UNIT_FOLDER = "/etc/systemd/system";
const MOST_UNITS = 100;
const UNIT_BYTES: Bytes = 64 * 1024;
const FILE_BYTES: Bytes = MiB;

type Fields = Readonly<Record<string, unknown>>;

const document = (file: string, call: string, request: object = {}, limitMs = LIMIT_MS): SupportPart => ({
  ...{ file, limitMs },
  async *texts(ask, signal) {
    for await (const json of ask(call, request, signal)) yield { json };
  },
});

/** A line for each of what a call tells of, in lists of that name. */
const lines = (file: string, call: string, request: object, list: string, line: (one: Fields) => string): SupportPart => ({
  ...{ file, limitMs: LONG_MS },
  async *texts(ask, signal) {
    for await (const message of ask(call, request, signal)) {
      const found = ((message as Fields)[list] ?? []) as readonly Fields[];
      if (found.length > 0) yield { text: found.map((one) => `${line(one)}\n`).join("") };
    }
  },
});

const events: SupportPart = {
  ...{ file: "events.jsonl", limitMs: LONG_MS },
  async *texts(ask, signal) {
    for await (const message of ask("EventService.Events", { last: EVENTS }, signal))
      for (const json of ((message as Fields)["events"] ?? []) as readonly Fields[]) yield { json, onOneLine: true };
  },
};

const word = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");
const logLine = ({ time, identifier, unit, pid, message }: Fields): string =>
  `${word(time)} ${word(identifier) || word(unit) || "-"}${pid === undefined ? "" : `[${word(pid)}]`}: ${word(message)}`;
const kernelLine = ({ sinceStart, message }: Fields): string => `[${word(sinceStart).replace(/s$/, "")}] ${word(message)}`;

const bootLog = (file: string, boot: number): SupportPart =>
  lines(file, "LogService.Logs", { boot, lines: LOG_LINES }, "entries", logLine);

async function textOf(ask: AskMachine, path: string, limit: Bytes, signal: AbortSignal): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const { data } of ask("SystemService.Read", { path, limit: String(limit) }, signal) as AsyncIterable<Fields>)
    pieces.push(Buffer.from(word(data), "base64"));
  return Buffer.concat(pieces).toString("utf8");
}

const content = (path: string): SupportPart => ({
  ...{ file: `files${path}`, limitMs: LIMIT_MS },
  async *texts(ask, signal) {
    yield { text: await textOf(ask, path, FILE_BYTES, signal) };
  },
});

/** Those that lie on the machine besides its image's. */
const units: SupportPart = {
  ...{ file: "units.txt", limitMs: LONG_MS },
  async *texts(ask, signal) {
    const filesIn = async (folder: string): Promise<readonly Fields[]> => {
      const found = await Array.fromAsync(ask("SystemService.List", { path: folder }, signal));
      return found.flatMap((message) => ((message as Fields)["entries"] ?? []) as readonly Fields[]);
    };
    const paths: string[] = [];
    for (const { name, kind } of await filesIn(UNIT_FOLDER)) {
      const path = `${UNIT_FOLDER}/${word(name)}`;
      if (kind === "FILE_KIND_FILE") paths.push(path);
      if (kind === "FILE_KIND_FOLDER" && path.endsWith(".d"))
        for (const below of await filesIn(path))
          if (below["kind"] === "FILE_KIND_FILE") paths.push(`${path}/${word(below["name"])}`);
    }
    for (const path of paths.toSorted().slice(0, MOST_UNITS)) {
      const text = await textOf(ask, path, UNIT_BYTES, signal).catch((error: unknown) => {
        signal.throwIfAborted();
        return `cannot be read: ${(error as Error).message}`;
      });
      yield { text: `==> ${path} <==\n${text}\n` };
    }
  },
};

/** The most telling first: what comes when the time is over is missing. */
export const SUPPORT_PARTS: readonly SupportPart[] = [
  document("status.json", "NodeService.Status"),
  document("version.json", "NodeService.Version"),
  document("history.json", "NodeService.History"),
  events,
  bootLog("logs/boot-0.txt", 0),
  bootLog("logs/boot-1.txt", -1),
  bootLog("logs/boot-2.txt", -2),
  lines("logs/kernel.txt", "LogService.Dmesg", {}, "messages", kernelLine),
  document("services.json", "SystemService.Services", {}, LONG_MS),
  document("processes.json", "SystemService.Processes"),
  document("configs.json", "ControlService.ListConfigs", {}, LONG_MS),
  document("config-changes.json", "ControlService.DiffConfigs"),
  document("disks.json", "SystemService.Disks"),
  document("mounts.json", "SystemService.Mounts"),
  document("network.json", "SystemService.Network", { sockets: true }),
  document("memory.json", "SystemService.Memory"),
  document("cpu.json", "SystemService.Cpu"),
  document("load.json", "SystemService.Load"),
  document("time.json", "SystemService.Time"),
  document("cgroups.json", "SystemService.Cgroups"),
  document("containers.json", "SystemService.Containers"),
  document("diff.json", "SystemService.Diff", {}, LONG_MS),
  units,
  content("/proc/cmdline"),
  content("/etc/os-release"),
  content("/etc/fstab"),
  content("/etc/resolv.conf"),
  content("/usr/lib/petrify/image.json"),
];
