/** What the dashboard of a machine shows: lines for a terminal of some size. Pure. */
import { formatSize, formatSpan } from "../../core/units.ts";
import { Priority, type LogEntry } from "../../protocol/petrify/v1/log_pb.ts";
import { BootRole, HealthState, SlotState, type StatusResponse } from "../../protocol/petrify/v1/node_pb.ts";
import type { LoadResponse, MemoryResponse } from "../../protocol/petrify/v1/system_pb.ts";
import { entryText, printable } from "./log-text.ts";
import { healthWord, imageText, roleWord, runningText, stateWord, targetWord } from "./shown.ts";

export interface DashboardState {
  readonly node: string;
  readonly status: StatusResponse | undefined;
  readonly load: LoadResponse | undefined;
  readonly memory: MemoryResponse | undefined;
  /** Why the machine does not answer now; absent while it does. */
  readonly lost: string | undefined;
  /** The newest last. */
  readonly logs: readonly LogEntry[];
}
export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

const PLAIN_CODES = { plain: "", bold: "1", dim: "2", reverse: "7", red: "", green: "", yellow: "" } as const;
const CODES = { ...PLAIN_CODES, red: "31", green: "32", yellow: "33" } as const;
type Colour = keyof typeof CODES;
type Piece = readonly [text: string, colour?: Colour | undefined];
type Line = readonly Piece[];

const LABEL = 11;
const METER = 20;
/** Of what is neither title, rule nor foot. */
const FRAME = 3;
const LEAST_LOGS = 3;
const DIGEST = 12;

/** As many lines as there are rows, none of them wider than the screen. */
export function dashboardLines(state: DashboardState, { columns, rows }: ScreenSize, isColoured: boolean): readonly string[] {
  // Of the logs a few lines are seen whatever is wrong, as long as there is room at all.
  const facts = factLines(state).slice(0, Math.max(0, rows - FRAME - LEAST_LOGS));
  const room = Math.max(0, rows - FRAME - facts.length);
  const logs =
    room === 0 ? [] : state.logs.slice(-room).map((entry): Line => [[firstLine(entryText(entry, false)), urgency(entry)]]);
  const blank = Array.from({ length: room - logs.length }, (): Line => []);
  const rule: Line = [["── log ".padEnd(columns, "─"), "dim"]];
  const lines = [titleLine(state, columns), ...facts, rule, ...logs, ...blank, [["q quits", "dim"]] satisfies Line];
  return lines.slice(0, rows).map((line) => rendered(line, columns, isColoured ? CODES : PLAIN_CODES));
}

function titleLine({ node, status, lost }: DashboardState, columns: number): Line {
  const up = status?.boot?.uptime ? `up ${formatSpan(Number(status.boot.uptime.seconds))} ` : "";
  const name = [node, status?.machine?.hostname, imageText(status?.image)].filter(
    (word, index, all) => word && all.indexOf(word) === index,
  );
  const left = ` ${name.map((word) => printable(word!)).join("  ")}`;
  const right = lost === undefined ? up : "does not answer ";
  return [
    [left.padEnd(columns - right.length), "reverse"],
    [right, "reverse"],
  ];
}

function factLines({ status, load, memory, lost }: DashboardState): readonly Line[] {
  const row = (label: string, ...pieces: readonly Piece[]): Line => [[label.padEnd(LABEL), "dim"], ...pieces];
  const rows = (label: string, lines: readonly Line[]): Line[] =>
    lines.map((line, index) => row(index === 0 ? label : "", ...line));
  const gone = lost === undefined ? [] : [row("connection", [printable(lost), "red"])];
  if (!status) return lost === undefined ? [row("connection", ["is being opened …"])] : gone;
  const { health, alarms, slots, next, operation, config } = status;
  const failing = (health?.checks ?? []).filter(({ ok }) => !ok);
  return [
    ...gone,
    row("running", [runningText(status)]),
    ...rows(
      "slots",
      slots.map((slot): Line => [
        [slot.role === BootRole.ACTIVE ? "▶ " : "  ", "bold"],
        [`${targetWord(slot.slot).replace("slot ", "")}  ${roleWord(slot.role).padEnd(7)}  `],
        [stateWord(slot.state).padEnd(6), STATE_COLOURS[slot.state]],
        [`  ${slot.tries ?? "?"} tries  ${printable(slot.digest).slice(0, DIGEST)}`],
        [slot.damage === "" ? "" : `  ${printable(slot.damage)}`, "red"],
      ]),
    ),
    ...(next ? [row("next", [`${targetWord(next)}, once`, "yellow"])] : []),
    row(
      "health",
      [healthWord(health?.state), HEALTH_COLOURS[health?.state ?? HealthState.UNSPECIFIED]],
      [checksText(health?.checks.length ?? 0)],
    ),
    ...rows(
      "",
      failing.map(({ name, reason }): Line => [[printable(`${name}: ${reason || "failed"}`), "red"]]),
    ),
    ...rows("alarms", alarms.length > 0 ? alarms.map(({ message }): Line => [[printable(message), "yellow"]]) : [[["none"]]]),
    ...(operation
      ? [row("operation", [printable(operation.text)], [operation.percent === undefined ? "" : `  ${meter(operation.percent)}`])]
      : []),
    ...(config
      ? [row("config", [configText(config)], [config.notes.length > 0 ? `  ${config.notes.length} notes` : "", "yellow"])]
      : []),
    ...(load
      ? [
          row(
            "load",
            [[load.one, load.five, load.fifteen].map((value) => value.toFixed(2)).join("  ")],
            [`  of ${load.processors}`, "dim"],
          ),
        ]
      : []),
    ...(memory ? [row("memory", [memoryText(Number(memory.total - memory.available), Number(memory.total))])] : []),
  ];
}

const STATE_COLOURS: Readonly<Record<SlotState, Colour>> = {
  [SlotState.UNSPECIFIED]: "plain",
  [SlotState.TRIAL]: "yellow",
  [SlotState.PROVEN]: "green",
  [SlotState.BAD]: "red",
  [SlotState.EMPTY]: "dim",
};
const HEALTH_COLOURS: Readonly<Record<HealthState, Colour>> = {
  [HealthState.UNSPECIFIED]: "plain",
  [HealthState.STARTING]: "yellow",
  [HealthState.HEALTHY]: "green",
  [HealthState.UNHEALTHY]: "red",
};

const checksText = (count: number): string => (count === 0 ? "" : `  ${count} ${count === 1 ? "check" : "checks"}`);
const configText = ({ generation, trial }: NonNullable<StatusResponse["config"]>): string =>
  `${generation === undefined ? "none" : `generation ${generation}`}${trial ? ", on trial" : ""}`;

function memoryText(used: number, total: number): string {
  if (total <= 0) return "-";
  return `${meter(Math.round((used / total) * 100))}  ${formatSize(used)} of ${formatSize(total)}`;
}

function meter(percent: number): string {
  const full = Math.max(0, Math.min(METER, Math.round((percent / 100) * METER)));
  return `${percent} % [${"#".repeat(full)}${".".repeat(METER - full)}]`;
}

const firstLine = (text: string): string => text.split("\n")[0]!;
const urgency = ({ priority }: LogEntry): Colour => {
  if (priority === Priority.UNSPECIFIED || priority > Priority.WARNING) return "plain";
  return priority === Priority.WARNING ? "yellow" : "red";
};

/** What does not fit is cut off; every character counts as one column. */
function rendered(line: Line, columns: number, codes: Readonly<Record<Colour, string>>): string {
  let left = columns;
  return line
    .map(([text, colour = "plain"]) => {
      const shown = Array.from(text.replaceAll(/[\n\t]/g, " "))
        .slice(0, left)
        .join("");
      left -= Array.from(shown).length;
      return codes[colour] === "" || shown === "" ? shown : `\u001b[${codes[colour]}m${shown}\u001b[0m`;
    })
    .join("");
}
