import type { Command } from "commander";
import { formatSpan, type Seconds } from "../../core/units.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { RestartLock } from "../../protocol/petrify/v1/updates_pb.ts";
import type { Cli, CliContext } from "../context.ts";
import { lockTime } from "../lock-time.ts";
import { eachNode, showAnswers, type Answered } from "../nodes/each-node.ts";
import { addNodeOptionsTo, type NodeOptions } from "../nodes/options.ts";
import { UsageError } from "../output.ts";
import { tableText } from "../table.ts";

interface LockOptions extends NodeOptions {
  readonly ttl?: Seconds;
  readonly reason?: string;
  readonly release?: boolean;
}
interface Locks {
  readonly locks: readonly RestartLock[];
  /** Nothing where they were only asked for. */
  readonly changed?: boolean;
}

/** `petrify -n NODE lock` */
export function registerControlLock(program: Command, cli: Cli): void {
  const command = program
    .command("lock")
    .argument("[name]", "of the lock: that of whatever wants it")
    .summary("keep machines from restarting by themselves for a while")
    .description(
      "A lock keeps updates from restarting a machine until it is released, and no longer than its time. It keeps nobody from\n" +
        "asking for a restart. Without a name the locks that hold are listed. For operators; lists are for readers.",
    )
    .addOption(lockTime())
    .option("--reason <text>", "for people who wonder")
    .option("--release", "end it");
  addNodeOptionsTo(command)
    .addHelpText(
      "after",
      "\nExamples:\n  petrify -n edge-7 lock exam --ttl 2h --reason 'exam in room 7'\n  petrify -n edge-7 lock --release exam\n  petrify --all lock",
    )
    .action(cli.action(lock));
}

async function lock(context: CliContext, name: string | undefined, options: LockOptions): Promise<void> {
  const { ttl, reason = "", release = false } = options;
  if (name === undefined && (ttl !== undefined || release))
    throw new UsageError("USAGE", "the lock has no name", { hint: "See `petrify lock --help`." });
  if (name !== undefined && !release && ttl === undefined)
    throw new UsageError("USAGE", "--ttl is missing", { hint: `Say how long: petrify lock ${name} --ttl 10min.` });
  const [{ toJson }, { durationFromMs }, { UpdatesService, RestartLockSchema }] = await Promise.all([
    import("@bufbuild/protobuf"),
    import("@bufbuild/protobuf/wkt"),
    import("../../protocol/petrify/v1/updates_pb.ts"),
  ]);
  const answers = await eachNode(context, options, async ({ client }, call): Promise<Locks> => {
    const service = client(UpdatesService);
    if (name === undefined) return { locks: (await service.getUpdates({}, call)).status!.locks };
    if (release) return await service.releaseLock({ name }, call);
    return { ...(await service.setLock({ name, ttl: durationFromMs(ttl! * 1000), reason }, call)), changed: true };
  });
  const json = ({ locks, changed }: Locks): object => ({
    locks: locks.map((one) => toJson(RestartLockSchema, one)),
    ...(changed !== undefined && { changed }),
  });
  showAnswers(context, answers, json, locksTable);
}

const locksTable = (rows: readonly Answered<Locks>[]): string =>
  tableText(
    ["NODE", "LOCK", "ENDS IN", "REASON"],
    rows.flatMap(({ node, value: { locks } }) =>
      locks.length === 0
        ? [[node, "-", "-", "no lock holds"]]
        : locks.map(({ name, left, reason }) => [node, name, formatSpan(Number(left?.seconds ?? 0)), reason].map(shortLine)),
    ),
  );
