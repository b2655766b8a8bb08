import { answersYes } from "../host/ask.ts";
import { hostFacts, missingOf, remedies, type HostFacts } from "../host/requirements.ts";
import { quote } from "../host/run.ts";
import type { CliContext } from "./context.ts";
import { hostNotReady, rootCommands } from "./host-not-ready.ts";

/**
 * Sees to it that this host can build and run images: says what is missing, and installs it after asking.
 *
 * @param yes do not ask
 * @throws AppError `HOST_NOT_READY`, with the commands that would help
 */
export async function makeHostReady(context: CliContext, yes: boolean): Promise<void> {
  const { progress, caller } = context;
  const look = async (): Promise<HostFacts> => await hostFacts(context.run, caller, context.cacheFolder);
  const facts = await progress.step("check this host", look);
  const missing = missingOf(facts);
  if (missing.length === 0) return;
  progress.note(`This host lacks:\n${missing.map(({ what }) => `  - ${what}`).join("\n")}`);

  const commands = remedies(missing);
  const byHand = missing.find(({ advice }) => advice);
  if (byHand) throw hostNotReady(missing);
  if (!facts.programs.includes("apt-get")) {
    throw hostNotReady(missing, undefined, "Install it with this distribution's package manager.");
  }
  const root = caller.uid === 0 ? [] : ["sudo", "--"];
  const told = rootCommands(missing);
  if (root.length > 0 && !facts.programs.includes("sudo")) throw hostNotReady(missing, undefined, told);
  if (!yes) {
    const canAsk = context.terminal.input.isTTY && !context.json;
    if (!canAsk) throw hostNotReady(missing, undefined, `${told}; or let petrify do it: --yes.`);
    progress.note(commands.map((argv) => `  ${quote([...root, ...argv])}`).join("\n"));
    context.sinks.err("Run this? [Y/n] ");
    if (!(await answersYes(context.terminal.input, context.signal))) throw hostNotReady(missing, undefined, told);
  }
  for (const argv of commands) {
    const command = [...root, ...argv] as [string, ...string[]];
    await progress.step(quote(command), async (note) => {
      await context.run(command, { env: { DEBIAN_FRONTEND: "noninteractive" }, signal: context.signal, onLine: note });
    });
  }
  const left = missingOf(await look());
  if (left.length > 0) throw hostNotReady(left, undefined, left[0]!.advice ?? "Install it by hand.");
}
