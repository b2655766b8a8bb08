import { AppError } from "../core/error.ts";
import { answersYes } from "../host/ask.ts";
import { hostFacts, missingOf, remedies, type HostFacts, type Missing } from "../host/requirements.ts";
import { quote } from "../host/run.ts";
import type { CliContext } from "./context.ts";

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
  if (byHand) throw notReady(missing, byHand.advice!);
  if (!facts.programs.includes("apt-get")) throw notReady(missing, "Install it with this distribution's package manager.");
  const root = caller.uid === 0 ? [] : ["sudo", "--"];
  const told = `Run as root: ${commands.map(quote).join(" && ")}`;
  if (root.length > 0 && !facts.programs.includes("sudo")) throw notReady(missing, told);
  if (!yes) {
    const canAsk = context.terminal.input.isTTY && !context.json;
    if (!canAsk) throw notReady(missing, `${told}; or let petrify do it: --yes.`);
    progress.note(commands.map((argv) => `  ${quote([...root, ...argv])}`).join("\n"));
    context.sinks.err("Run this? [Y/n] ");
    if (!(await answersYes(context.terminal.input, context.signal))) throw notReady(missing, told);
  }
  for (const argv of commands) {
    const command = [...root, ...argv] as [string, ...string[]];
    await progress.step(quote(command), async (note) => {
      await context.run(command, { env: { DEBIAN_FRONTEND: "noninteractive" }, signal: context.signal, onLine: note });
    });
  }
  const left = missingOf(await look());
  if (left.length > 0) throw notReady(left, left[0]!.advice ?? "Install it by hand.");
}

const notReady = (missing: readonly Missing[], hint: string): AppError =>
  new AppError("HOST_NOT_READY", `this host lacks ${missing.map(({ what }) => what).join(", and ")}`, { hint });
