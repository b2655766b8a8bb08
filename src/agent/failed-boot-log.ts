/** Where the log of a boot that failed is looked for, best first. docs/concepts/agent.md */
import type { BootEntry, LogSource } from "../layout/agent-state.ts";
import { RESTARTS } from "../layout/health-plan.ts";
import type { LastWords } from "../layout/last-words.ts";

export interface BootLog {
  readonly source: LogSource;
  readonly text: string;
}

/** Where logs may be; each gives nothing where there is none. */
export interface LogSources {
  /** The end of the journal of a boot; of an unseen one, of the boot before this one, unless that is among `known`. */
  journal(boot: { readonly id?: string; readonly known: readonly string[] }): Promise<string | undefined>;
  /** What the kernel left in the firmware's memory or in RAM that survives a reset, and takes it away. */
  pstore(): Promise<string | undefined>;
  /** What the initrd left, if it has not been reported yet. */
  lastWords(): Promise<LastWords | undefined>;
}

/** @param known ids of the boots that have an entry of their own */
export async function findLog(boot: BootEntry, known: readonly string[], sources: LogSources): Promise<BootLog> {
  const words = boot.end?.how === "unseen" ? await sources.lastWords() : undefined;
  // The initrd's own sentence says more than any log, and it speaks only where no journal had begun.
  if (words && (words.slot === undefined || words.slot === boot.slot)) {
    return { source: "last words", text: `${words.reason}\n${tail(words.log)}` };
  }
  const journal = await sources.journal({ ...(boot.id === undefined ? {} : { id: boot.id }), known });
  if (journal) return { source: "journal", text: tail(untilDecision(journal)) };
  const pstore = await sources.pstore();
  if (pstore) return { source: "pstore", text: tail(pstore) };
  const where = boot.end?.how === "unseen" ? "before its journal had begun" : "before its journal was on the disk";
  return { source: "none", text: `no log: it died ${where}` };
}

/** What services say while they are stopped hides why they had to be: the word of who restarts the machine is the last that matters. */
function untilDecision(journal: string): string {
  const lines = journal.split("\n");
  const decision = lines.findIndex((line) => line.includes(RESTARTS)); // it may be said again while services stop
  return decision < 0 ? journal : lines.slice(0, decision + 1).join("\n");
}

const LINES = 40;
const tail = (text: string): string => text.trimEnd().split("\n").slice(-LINES).join("\n");
