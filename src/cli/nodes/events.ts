import { InvalidArgumentError, Option, type Command } from "commander";
import { secondsNow } from "../../host/wall-clock.ts";
import { EVENT_KINDS, type EventKind } from "../../layout/events.ts";
import type { Cli, CliContext } from "../context.ts";
import { followNodes } from "./follow-nodes.ts";
import { parseMoment } from "./moment.ts";
import { addNodeOptionsTo, type NodeOptions } from "./options.ts";

interface EventOptions extends NodeOptions {
  readonly follow?: true;
  /** Seconds since 1970. */
  readonly since?: number;
  readonly kind?: readonly EventKind[];
  readonly last?: number | "all";
}

/** Where nothing else says how many. */
const LAST = 100;
const LAST_BEFORE = 10;

/** `petrify -n NODE events` */
export function registerNodeEvents(program: Command, cli: Cli): void {
  const command = program
    .command("events")
    .summary("what happens on machines: boots, health, alarms, operations, configs")
    .description(
      "Prints what has happened on each machine, the oldest first: the last hundred events, unless something says which. With\n" +
        "--follow it goes on with what happens from then on, also when a connection is lost, or a machine restarts: then from\n" +
        "where it was. With several machines each line begins with the machine's name.",
    );
  addNodeOptionsTo(command)
    .option("-f, --follow", "go on with what happens from now on")
    .addOption(
      new Option("--since <when>", "not older: 10m, 2h, 3d ago, or 2026-11-22T20:42:00Z").argParser((text) =>
        parseMoment(text, secondsNow()),
      ),
    )
    .addOption(new Option("--kind <kinds...>", "only of these kinds").choices(EVENT_KINDS))
    .addOption(new Option("--last <count>", "so many, the newest, or all").argParser(parseLast))
    .addHelpText(
      "after",
      "\nExamples:\n  petrify --all events --follow\n  petrify -n edge-7 events --since 2d --kind alarm-raised alarm-cleared\n" +
        "  petrify -n edge-7 events --json | jq -r 'select(.type == \"event\") | .kind'",
    )
    .action(cli.action(events));
}

function parseLast(text: string): number | "all" {
  if (text === "all" || /^\d{1,7}$/.test(text)) return text === "all" ? text : Number(text);
  throw new InvalidArgumentError("Write a number, or all.");
}

/** How many are asked for; nothing for all of them. */
function lastOf({ last, since, follow }: EventOptions): number | undefined {
  if (last !== undefined) return last === "all" ? undefined : last;
  if (since !== undefined) return undefined;
  return follow ? LAST_BEFORE : LAST;
}

async function events(context: CliContext, options: EventOptions): Promise<void> {
  const { follow = false, since, kind = [] } = options;
  // What it imports is for calls alone: other commands start without it.
  const [{ EventKind: Kind, EventKindSchema, EventSchema, EventService }, { timestampFromMs }, { toJson }, { eventText }] =
    await Promise.all([
      import("../../protocol/petrify/v1/event_pb.ts"),
      import("@bufbuild/protobuf/wkt"),
      import("@bufbuild/protobuf"),
      import("./log-text.ts"),
    ]);
  const nameOf = (one: EventKind): keyof typeof Kind => one.toUpperCase().replaceAll("-", "_") as keyof typeof Kind;
  const last = lastOf(options);
  const request = { kinds: kind.map((one) => Kind[nameOf(one)]), follow };
  const start = {
    ...(since === undefined ? {} : { since: timestampFromMs(since * 1000) }),
    ...(last === undefined ? {} : { last }),
  };
  await followNodes(context, options, () => {
    let after = "";
    return {
      again: follow,
      begin: ({ client }, signal) =>
        client(EventService).events({ ...request, ...(after === "" ? start : { after }) }, { signal }),
      lines: ({ events: found, cursor }) => {
        after = cursor;
        return found.map((event) => ({
          type: "event",
          json: toJson(EventSchema, event) as object,
          text: (isColoured) => eventText(event, EventKindSchema.value[event.kind]?.localName ?? "", isColoured),
        }));
      },
    };
  });
}
