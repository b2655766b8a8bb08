/** Carries out a plan of changes on a running system: units that go are stopped, files and accounts are laid, then whatever follows from them. */
import type { Action, ChangePlan } from "../../config/machine/compile/plan-changes.ts";
import { CommandError, type Run } from "../../host/run.ts";
import type { MergedAccounts } from "../../layout/merge-accounts.ts";
import type { ConfigData } from "../../layout/run-config.ts";
import type { FilesToLay } from "./files-to-lay.ts";

export interface LayPorts {
  readonly run: Run;
  /** @returns what could not be done, a sentence each; the rest is done @throws AppError where nothing is */
  readonly lay: (data: ConfigData) => Promise<readonly string[]>;
  /** One that is not empty, or not there, is left alone. */
  readonly removeEmptyFolder: (path: string) => Promise<void>;
  /** The kernel's. */
  readonly setHostname: (name: string) => Promise<void>;
  /** The init has not come to most services yet: nothing waits for one. */
  readonly isBooting: boolean;
}
export interface Change extends FilesToLay {
  readonly plan: Pick<ChangePlan, "actions">;
  readonly accounts: Pick<MergedAccounts, "texts" | "homes"> | undefined;
  /** Folders that keep what is written to them from now on: while a machine boots nobody has written to them. */
  readonly persistent: readonly string[];
}

/** Of one that hangs. */
const LIMIT_MS = 120_000;
/** Verbs that else wait until a unit has started. */
const WAITING = new Set(["start", "stop", "restart", "try-restart", "try-reload-or-restart"]);
/** They read their files when they start: while a machine boots nobody answers. */
const ASKED_LATER = new Set(["networkctl", "nmcli"]);

/** Never throws. @returns what could not be done, a sentence each: the rest is */
export async function layChange(
  { plan, accounts, persistent, entries, emptied }: Change,
  ports: LayPorts,
): Promise<readonly string[]> {
  const notes: string[] = [];
  const attempt = async (says: string, act: () => Promise<readonly string[] | void>): Promise<void> => {
    try {
      notes.push(...((await act()) ?? []));
    } catch (error) {
      notes.push(`${says}: ${reason(error)}`);
    }
  };
  // A unit that goes is stopped while its file is there.
  const [first, rest] = [plan.actions.filter(isStop), plan.actions.filter((action) => !isStop(action))];
  const carryOut = async ({ says, what }: Action): Promise<void> => {
    if (what.is === "hostname") await attempt(says, async () => await ports.setHostname(what.name));
    if (what.is !== "run") return;
    const argv = ports.isBooting ? whileBooting(what.argv) : what.argv;
    if (argv) await attempt(says, async () => void (await ports.run(argv, { timeoutMs: LIMIT_MS, keepOutput: 4000 })));
  };
  for (const action of first) await carryOut(action);
  if (accounts || entries.length > 0 || persistent.length > 0) {
    const data = {
      ...(accounts && { accounts: accounts.texts }),
      ...(persistent.length > 0 && { persistent }),
      ...{ homes: accounts?.homes ?? [], entries },
    };
    await attempt("files are not laid down", async () => await ports.lay(data));
  }
  for (const path of emptied) await attempt(`${path} is still there`, async () => await ports.removeEmptyFolder(path));
  for (const action of rest) await carryOut(action);
  return notes;
}

const isStop = ({ id, what }: Action): boolean => what.is === "run" && id.startsWith("stop ");

/** @returns nothing for what a boot does by itself */
function whileBooting(argv: readonly [string, ...string[]]): readonly [string, ...string[]] | undefined {
  const [program, verb = "", ...words] = argv;
  // OpenRC's services start after this, and find their files.
  if (program === "rc-service" || ASKED_LATER.has(program)) return undefined;
  return program === "systemctl" && WAITING.has(verb) ? [program, "--no-block", verb, ...words] : argv;
}

/** Why a program failed, in its own last words where it has any. */
export function reason(error: unknown): string {
  if (!(error instanceof CommandError)) return (error as Error).message;
  const said = error.result?.stderr.trim().split("\n").at(-1);
  return said ? said.slice(0, 300) : error.message;
}
