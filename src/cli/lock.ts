import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatSpan, type Seconds } from "../core/units.ts";
import { readRestartLocks, removeRestartLock, setRestartLock } from "../host/restart-locks.ts";
import { isLockName } from "../layout/restart-lock.ts";
import { lockTime } from "./lock-time.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";
import { UsageError } from "./output.ts";

interface LockOptions {
  readonly ttl?: Seconds;
  readonly reason?: string;
  readonly release?: boolean;
}

export function registerLock(program: Command, cli: NodeCli): void {
  program
    .command("lock")
    .argument("[name]", "of the lock: that of whatever wants it")
    .summary("keep this machine from restarting by itself for a while")
    .description(
      "A lock keeps updates from restarting the machine until it is released, and no longer than its time, whatever\n" +
        "becomes of whoever has set it. Set again, it lasts so long from now on. It keeps nobody from asking for a restart.\n" +
        "Without a name the locks that hold are listed. Has to be run as root.",
    )
    .addOption(lockTime())
    .option("--reason <text>", "for people who wonder")
    .option("--release", "end it")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify lock backup --ttl 30min --reason 'nightly backup'\n  petrify lock --release backup\n  petrify lock",
    )
    .action(cli.action(lock));
}

async function lock(
  { root, output }: NodeContext,
  name: string | undefined,
  { ttl, reason, release = false }: LockOptions,
): Promise<void> {
  if (name === undefined) {
    if (ttl !== undefined || release)
      throw new UsageError("USAGE", "the lock has no name", { hint: "See `petrify lock --help`." });
    const { locks, problems } = await readRestartLocks(root);
    for (const message of problems) output.event({ type: "note", ...{ message } }, message);
    const lines = locks.map(
      (one) => `${one.name}  ends in ${formatSpan(one.left)}${one.reason === undefined ? "" : `  ${one.reason}`}`,
    );
    return output.result({ locks }, lines.length === 0 ? "No lock holds." : lines.join("\n"));
  }
  if (!isLockName(name))
    throw new AppError("LOCK_INVALID", `${JSON.stringify(name)} is no name of a lock`, {
      hint: "Names have up to 64 letters, digits and _ . @ -, and begin with a letter or a digit.",
    });
  if (release) {
    const changed = await removeRestartLock(root, name);
    return output.result({ name, changed }, changed ? `${name}: released.` : `${name}: there is no such lock.`);
  }
  if (ttl === undefined)
    throw new UsageError("USAGE", "--ttl is missing", { hint: `Say how long: petrify lock ${name} --ttl 10min.` });
  await setRestartLock(root, { name, left: ttl, ...(reason !== undefined && { reason }) });
  output.result({ name, seconds: ttl, changed: true }, `${name}: holds for ${formatSpan(ttl)} at the most.`);
}
