import { InvalidArgumentError, Option, type Command } from "commander";
import { secondsNow } from "../../host/wall-clock.ts";
import { PRIORITIES, type LogPriority } from "../../layout/log-priority.ts";
import type { Cli, CliContext } from "../context.ts";
import { UsageError } from "../output.ts";
import { followNodes } from "./follow-nodes.ts";
import { parseMoment } from "./moment.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

interface LogOptions extends NodeOptions {
  readonly follow?: true;
  readonly kernel?: true;
  /** 0 is the present one. */
  readonly boot?: number;
  /** Seconds since 1970. */
  readonly since?: number;
  readonly until?: number;
  readonly priority?: LogPriority;
  readonly grep?: string;
  readonly lines?: number | "all";
}

/** Where nothing else says how many. */
const LINES = 100;
const LINES_BEFORE = 10;

/** `petrify -n NODE logs` */
export function registerNodeLogs(program: Command, cli: Cli): void {
  const command = program
    .command("logs")
    .argument("[units...]", "only what is of these units, or about them: ssh, 'petrify-*'")
    .summary("what machines have said: their journals")
    .description(
      "Prints entries of the journal of each machine, the oldest first: the last hundred, unless something says which. With\n" +
        "--follow it goes on with what is said from then on, also when a connection is lost, or a machine restarts: then from\n" +
        "where it was. With several machines each line begins with the machine's name.",
    );
  const moment = (text: string): number => parseMoment(text, secondsNow());
  addNodeOptionsTo(command)
    .option("-f, --follow", "go on with what is said from now on")
    .option("-k, --kernel", "only what the kernel says")
    .addOption(
      new Option("-b, --boot [which]", "only of one boot: current, previous, or -2 for the one before")
        .argParser(parseBoot)
        .preset("current"),
    )
    .addOption(new Option("--since <when>", "not older: 10m, 2h, 3d ago, or 2026-11-22T20:42:00Z").argParser(moment))
    .addOption(new Option("--until <when>", "not newer").argParser(moment))
    .addOption(new Option("-p, --priority <level>", "so urgent at least").choices(PRIORITIES))
    .option("-g, --grep <expression>", "only what matches (PCRE2)")
    .addOption(new Option("--lines <count>", "so many, the newest, or all").argParser(parseLines))
    .addHelpText(
      "after",
      "\nExamples:\n  petrify -n edge-7 logs ssh --since 1h\n  petrify -n edge-7,edge-8 logs --follow\n" +
        "  petrify -n edge-7 logs --kernel --boot previous\n  petrify -n edge-7 logs -p err --json | jq -r .message",
    )
    .action(cli.action(logs));
}

/** @returns 0 for the present boot, -1 for the one before it */
function parseBoot(text: string): number {
  if (text === "current") return 0;
  if (text === "previous") return -1;
  if (/^(?:0|-\d{1,4})$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Write current, previous, or -2, -3 …");
}

function parseLines(text: string): number | "all" {
  if (text === "all" || /^\d{1,7}$/.test(text)) return text === "all" ? text : Number(text);
  throw new InvalidArgumentError("Write a number, or all.");
}

/** How many are asked for; nothing for all of them. */
function linesOf({ lines, since, until, boot, follow }: LogOptions): number | undefined {
  if (lines !== undefined) return lines === "all" ? undefined : lines;
  if (since !== undefined || until !== undefined || boot !== undefined) return undefined;
  return follow ? LINES_BEFORE : LINES;
}

async function logs(context: CliContext, units: readonly string[], options: LogOptions): Promise<void> {
  const { follow = false, kernel = false, boot, since, until, priority, grep } = options;
  if (kernel && units.length > 0) throw new UsageError("USAGE", "--kernel is of no unit", { hint: "Leave one of them out." });
  if (follow && (until !== undefined || (boot ?? 0) !== 0)) {
    throw new UsageError("USAGE", "only the present can be followed", { hint: "Leave --until and --boot out, or --follow." });
  }
  // What it imports is for calls alone: other commands start without it.
  const [{ LogEntrySchema, LogService }, { timestampFromMs }, { toJson }, { entryText, priorityOf }] = await Promise.all([
    import("../../protocol/petrify/v1/log_pb.ts"),
    import("@bufbuild/protobuf/wkt"),
    import("@bufbuild/protobuf"),
    import("./log-text.ts"),
  ]);
  const lines = linesOf(options);
  const request = {
    ...{ units: [...units], kernel, follow },
    ...(boot === undefined ? {} : { boot }),
    ...(until === undefined ? {} : { until: timestampFromMs(until * 1000) }),
    priority: priorityOf(priority),
    ...(grep === undefined ? {} : { grep }),
  };
  const start = {
    ...(since === undefined ? {} : { since: timestampFromMs(since * 1000) }),
    ...(lines === undefined ? {} : { lines }),
  };
  await followNodes(context, options, () => {
    let after = "";
    return {
      again: follow,
      begin: ({ client }, signal) => client(LogService).logs({ ...request, ...(after === "" ? start : { after }) }, { signal }),
      lines: ({ entries, cursor }) => {
        after = cursor;
        return entries.map((entry) => ({
          type: "log",
          json: toJson(LogEntrySchema, entry) as object,
          text: (isColoured) => entryText(entry, isColoured),
        }));
      },
    };
  });
}
