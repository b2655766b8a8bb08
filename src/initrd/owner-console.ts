/** @portable A console of a machine that nobody logs in to: who it is, and another owner for who has its recovery token. docs/concepts/pki.md */
import type { Sys } from "./sys.ts";

/** What the agent has to say above login prompts while the machine waits for its owner. docs/formats/api.md */
const NOTICE = "/run/issue.d/petrify.issue";
/** Agetty puts addresses there. Source: agetty(8), "ISSUE ESCAPES" */
const ADDRESSES = /\\4\n\(or \\6\)/;

export interface Terminal {
  readonly say: (text: string) => void;
  /** Waits for it; `null` once nobody can type any more. */
  readonly line: () => string | null;
}

/**
 * Waits for Enter, and becomes the program that asks for the token. The next one is started by the service manager.
 *
 * It waits as this small program, for months: Node would hold thirty times the memory.
 */
export function ownerConsole(sys: Pick<Sys, "exists" | "readText" | "exec">, { say, line }: Terminal): void {
  const notice = sys.exists(NOTICE) ? `\n${sys.readText(NOTICE).replace(ADDRESSES, "ADDRESS\n(its own)")}` : "";
  const name = sys.readText("/proc/sys/kernel/hostname").trim();
  say(`${notice}\n${name}: nobody logs in here; petrify -n NODE asks this machine over the network.\n`);
  say("Press Enter to bring it another owner by its recovery token.\n");
  if (line() !== null) sys.exec("/usr/bin/petrify", ["petrify", "enrol", "--recovery-token"]);
}
