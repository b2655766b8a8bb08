import { CommandError, quote, type Run } from "../../host/run.ts";
import { failed, PASSED, type CheckOutcome } from "./check.ts";

/** A program may print without end; its last words are enough. */
const KEPT = 8192;
const SHOWN = 200;

/** A program ends with status 0. It gets no more of the agent's environment than any program does. */
export async function checkCommand(run: Run, argv: readonly [string, ...string[]], signal: AbortSignal): Promise<CheckOutcome> {
  try {
    await run(argv, { signal, keepOutput: KEPT });
    return PASSED;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return failed(whyNot(error));
  }
}

function whyNot({ argv, message, result, cause }: CommandError): string {
  if (!result) return `could not be run: ${(cause as NodeJS.ErrnoException | undefined)?.code ?? "no reason is known"}`;
  // The error's first line is the command and what became of it: the command is known here.
  const what = message.slice(quote(argv).length).split("\n")[0]!.trim();
  const said = result.stderr.trim().split("\n").at(-1)!.trim().slice(0, SHOWN);
  return said ? `${what}: ${said}` : what;
}
