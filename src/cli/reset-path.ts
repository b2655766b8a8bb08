import { resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import { formatSize } from "../core/units.ts";
import { answersYes } from "../host/ask.ts";
import { persistentDiff, type PersistentDiff } from "../host/persistent-diff.ts";
import { folderWith, persistentFolders, type PersistentFolder } from "../host/persistent-folders.ts";
import { hiddenBy, readResetRequest, writeResetRequest } from "../host/reset-requests.ts";
import { totalsOf } from "../layout/persistent-diff.ts";
import { entryLine, shown, totalsText, unreadableLine } from "./diff-text.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";
import { UsageError } from "./output.ts";

interface ResetOptions {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly list?: boolean;
  readonly cancel?: boolean;
}

export function registerResetPath(program: Command, cli: NodeCli): void {
  program
    .command("reset-path")
    .argument("[path...]", "persistent folders, or paths in them")
    .summary("make a path the image's own again, at the next boot")
    .description(
      "Takes out of persistent folders what was written to these paths and below them: what was added\n" +
        "is deleted, what was changed or removed is as in the image. It happens at the next boot, before\n" +
        "anything uses the folders, to whatever is there by then; until then it can be cancelled.\n" +
        "Has to be run as root.",
    )
    .option("--dry-run", "only list what would go")
    .option("-y, --yes", "do not ask")
    .option("--list", "list the paths that wait for the next boot")
    .option("--cancel", "take these paths back from what waits for the next boot")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify reset-path /etc/app/app.conf\n  petrify reset-path /var/lib/app/cache --dry-run\n  petrify reset-path --cancel /etc/app/app.conf",
    )
    .action(cli.action(resetPath));
}

async function resetPath(context: NodeContext, given: readonly string[], options: ResetOptions): Promise<void> {
  const { root, cwd, output } = context;
  if (options.list) return listRequest(context, await readResetRequest(root));
  if (given.length === 0) throw new UsageError("USAGE", "a path is missing", { hint: "See `petrify reset-path --help`." });
  const paths = [...new Set(given.map((path) => resolve(cwd, path)))];
  if (options.cancel) return await cancel(context, paths);

  const folders = await persistentFolders(root);
  const going: (PersistentDiff & { readonly path: string })[] = [];
  for (const path of paths) going.push({ path, ...(await whatGoes(context, path, folderWith(path, folders))) });
  const entries = going.flatMap((found) => found.entries);
  const unreadable = going.flatMap((found) => found.unreadable);
  const lines = [...entries.map(entryLine), ...unreadable.map(unreadableLine)];
  const wanted = going.filter((found) => found.entries.length + found.unreadable.length > 0).map(({ path }) => path);
  const total = totalsText(totalsOf(entries));
  const value = { paths: wanted, entries, unreadable, stored: totalsOf(entries).stored };
  if (wanted.length === 0) {
    return output.result({ ...value, changed: false }, `${paths.map(shown).join(", ")}: the image's own already.`);
  }
  if (options.dryRun) return output.result({ ...value, changed: false }, [...lines, `would go: ${total}`].join("\n"));

  const before = await readRequestAgain(root);
  const changed = !wanted.every((path) => before.includes(path));
  if (changed && !options.yes) await confirm(context, [...lines, `Goes at the next boot: ${total}.`]);
  if (changed) await writeResetRequest(root, [...before, ...wanted]);
  const { stored } = value;
  output.result(
    { ...value, changed },
    `${wanted.map(shown).join(", ")}: will be the image's own after the next boot${stored > 0 ? `, which frees ${formatSize(stored)}` : ""}.`,
  );
}

/** @throws AppError `FOLDER_NOT_MOUNTED`, `PATH_HIDDEN` */
async function whatGoes({ run, signal }: NodeContext, path: string, folder: PersistentFolder): Promise<PersistentDiff> {
  if (!folder.mounted) {
    throw new AppError("FOLDER_NOT_MOUNTED", `${folder.path} is not mounted: what it keeps cannot be looked at`, {
      hint: "`systemctl --failed` says why.",
    });
  }
  const hider = await hiddenBy(folder, path, run);
  if (hider !== undefined) {
    throw new AppError("PATH_HIDDEN", `${path} cannot be the image's again alone: ${hider} was removed or made anew as a whole`, {
      hint: `See what would go: petrify reset-path --dry-run ${hider}`,
    });
  }
  return await persistentDiff(folder, path, { seen: new Map(), signal });
}

/** A request that cannot be read is as good as none: the next boot passes it over, too. */
async function readRequestAgain(root: string): Promise<readonly string[]> {
  return await readResetRequest(root).catch((error: unknown) => {
    if (error instanceof AppError) return [];
    throw error;
  });
}

/** @throws AppError `CONFIRMATION_MISSING` */
async function confirm({ json, input, sinks, signal }: NodeContext, lines: readonly string[]): Promise<void> {
  const missing = (message: string): AppError =>
    new AppError("CONFIRMATION_MISSING", message, {
      hint: "To go on without a question: --yes. To see what would go: --dry-run.",
    });
  if (json || !input.isTTY) throw missing("this deletes data, and there is nobody to ask");
  sinks.err(`${lines.join("\n")}\nGo on? [y/N] `);
  if (!(await answersYes(input, signal, "no"))) throw missing("nothing was done");
}

function listRequest({ output }: NodeContext, paths: readonly string[]): void {
  output.result({ paths }, paths.length > 0 ? paths.map(shown).join("\n") : "Nothing waits for the next boot.");
}

async function cancel({ root, output }: NodeContext, paths: readonly string[]): Promise<void> {
  const before = await readResetRequest(root);
  const after = before.filter((path) => !paths.includes(path));
  const changed = after.length < before.length;
  if (changed) await writeResetRequest(root, after);
  const text = changed ? "stays as it is" : "did not wait for the next boot";
  output.result({ paths: after, changed }, `${paths.map(shown).join(", ")}: ${text}.`);
}
