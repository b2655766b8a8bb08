import { resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../core/error.ts";
import { persistentDiff, type PersistentDiff } from "../host/persistent-diff.ts";
import { folderWith, persistentFolders, type PersistentFolder } from "../host/persistent-folders.ts";
import { readSeenFiles } from "../host/seen-files.ts";
import { byPath, totalsOf, type Totals } from "../layout/persistent-diff.ts";
import type { SeenFiles } from "../layout/seen-files.ts";
import { entryLine, totalsText, unreadableLine } from "./diff-text.ts";
import type { NodeCli, NodeContext } from "./node-context.ts";

interface DiffOptions {
  readonly all?: boolean;
  readonly exitCode?: boolean;
}
/** One folder of the result. */
interface ComparedFolder extends Partial<Totals> {
  readonly path: string;
  /** Without this there is nothing to compare: the boot is a degraded one. */
  readonly mounted: boolean;
  readonly unreadable?: number;
}

export function registerDiff(program: Command, cli: NodeCli): void {
  program
    .command("diff")
    .argument("[path...]", "persistent folders, or paths in them (default: all of them)")
    .summary("say what persistent folders hold that the image does not")
    .description(
      "Compares persistent folders with the running image, path by path. A copy that is the same as the image's file is\n" +
        "unneeded: it is counted, and listed with --all and --json. Nothing is written. Has to be run as root.",
    )
    .option("--all", "list everything below a folder that was added or removed as a whole, and unneeded copies")
    .option("--exit-code", "end with 1 when anything is added, changed, removed or stale")
    .addHelpText(
      "after",
      "\nWhat a path is:\n" +
        "  added    is not in the image\n" +
        "  changed  is in the image, and different: content, type, target of a link, mode or owner\n" +
        "  removed  is in the image, and hidden\n" +
        "  stale    is changed, and the image's file is newer than the one that it was copied from\n" +
        "\nExamples:\n  petrify diff\n  petrify diff /etc/app /var/lib/app/cache --all\n  petrify diff --json",
    )
    .action(cli.action(diff));
}

async function diff(
  context: NodeContext,
  paths: readonly string[],
  { all = false, exitCode = false }: DiffOptions,
): Promise<void> {
  const { root, cwd, signal, output } = context;
  const folders = await persistentFolders(root);
  const { seen, notes } = await seenFiles(root);
  const diffs: PersistentDiff[] = [];
  const compared: ComparedFolder[] = [];
  for (const [folder, from] of wanted(
    paths.map((path) => resolve(cwd, path)),
    folders,
  )) {
    if (!folder.mounted) {
      compared.push({ path: folder.path, mounted: false });
      notes.push(`${folder.path} is not mounted: what it keeps cannot be compared`);
      continue;
    }
    const found = await persistentDiff(folder, from, { seen, all, signal });
    diffs.push(found);
    compared.push({ path: from, mounted: true, unreadable: found.unreadable.length, ...totalsOf(found.entries) });
  }
  const entries = diffs.flatMap((found) => found.entries);
  const unreadable = diffs.flatMap((found) => found.unreadable);
  if (!context.json) context.sinks.err(notes.map((note) => `${note}\n`).join(""));
  const differing = entries.filter(({ verdict }) => verdict !== "unneeded");
  const listed = [
    ...(all ? entries : differing).map((entry) => ({ path: entry.path, text: entryLine(entry) })),
    ...unreadable.map((one) => ({ path: one.path, text: unreadableLine(one) })),
  ];
  const lines = [...listed.toSorted(byPath).map(({ text }) => text), ...compared.flatMap(folderLine)];
  const none = `Nothing${compared.every(({ mounted }) => mounted) ? "" : " that can be compared"} differs from the image.`;
  const human = lines.join("\n") || none;
  output.result({ differs: differing.length > 0, folders: compared, entries, unreadable, notes }, human);
  if (exitCode && differing.length > 0) context.endWith(1);
}

/** Each path once, and none that lies in another; without any, every folder. */
function wanted(paths: readonly string[], folders: readonly PersistentFolder[]): (readonly [PersistentFolder, string])[] {
  if (paths.length === 0) return folders.map((folder) => [folder, folder.path]);
  return [...new Set(paths)]
    .filter((path) => !paths.some((other) => path.startsWith(`${other}/`)))
    .map((path) => ({ path, folder: folderWith(path, folders) }))
    .toSorted(byPath)
    .map(({ path, folder }) => [folder, path]);
}

/** A record that cannot be read costs only the word "stale". */
async function seenFiles(root: string): Promise<{ seen: SeenFiles; notes: string[] }> {
  try {
    return { seen: await readSeenFiles(root), notes: [] };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { seen: new Map(), notes: [`what is stale cannot be known: ${error.message}`] };
  }
}

function folderLine({ path, unreadable = 0, mounted, ...totals }: ComparedFolder): string[] {
  if (!mounted) return [];
  const text = [totalsText(totals as Totals), ...(unreadable > 0 ? [`${unreadable} unreadable`] : [])].filter(Boolean);
  return text.length > 0 ? [`${path}: ${text.join(", ")}`] : [];
}
