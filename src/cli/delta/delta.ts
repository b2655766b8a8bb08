import { resolve } from "node:path";
import type { Command } from "commander";
import { partialFile } from "../../host/partial-file.ts";
import type { Cli, CliContext } from "../context.ts";
import { phaseProgress } from "../phase-progress.ts";
import { endOf, openEnd, refuseUnrelated } from "./images.ts";
import { costText, planFacts, planText } from "./text.ts";
import { deltaOf, type DeltaRequest, type MadeDeltaFile } from "./work.ts";

const OF_IMAGES = "Both images are checked first, and the delta is applied and compared before it is kept.";

/** `petrify delta OLD NEW` and `petrify plan-update OLD NEW`. */
export function registerDelta(program: Command, cli: Cli): void {
  program
    .command("delta")
    .argument("<old>", "the system image that machines run")
    .argument("<new>", "the one that they are to get")
    .summary("write what makes one system image of another")
    .description(
      "Writes a delta: the fewest bytes that, with the old image at hand, make the new one. The same images give\n" +
        `the same delta. ${OF_IMAGES}\n` +
        "Takes minutes, one processor and about 700 MiB of memory.",
    )
    .option("-o, --output <file>", "where to write it (default: NAME-OLDVERSION-NEWVERSION.delta here)")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify delta my-os-0.1.0.img out/my-os-0.2.0.img\n" +
        "  petrify delta my-os-0.1.0.img out/my-os-0.2.0.img -o update.delta --json",
    )
    .action(cli.action(delta));
  program
    .command("plan-update")
    .argument("<old>", "the system image that machines run")
    .argument("<new>", "the one that they are to get")
    .summary("say what an update costs, and what makes it large")
    .description(
      "Makes the delta from one system image to another, and says what it costs by region and by file, and why,\n" +
        "against fetching the whole image packed. Shares of files are estimates: what changed is packed together.\n" +
        `${OF_IMAGES} Nothing is written.\n` +
        "Takes longer than `petrify delta`: what each file would cost alone is found out, too.",
    )
    .option("--all", "list everything that changed")
    .addHelpText(
      "after",
      "\nExamples:\n  petrify plan-update my-os-0.1.0.img out/my-os-0.2.0.img\n" +
        "  petrify plan-update my-os-0.1.0.img out/my-os-0.2.0.img --json | jq '.value.pieces[:10]'",
    )
    .action(cli.action(planUpdate));
}

async function delta(context: CliContext, from: string, to: string, { output }: { readonly output?: string }): Promise<void> {
  const request = pathsOf(context, from, to);
  const path = resolve(context.cwd, output ?? (await nameOf(request)));
  await using partial = await partialFile(path, 0);
  const made = await madeDelta(context, "make the delta", { ...request, output: partial.path });
  context.signal.throwIfAborted();
  await partial.finish();
  const { bytes } = made.explanation;
  const text = `${path}: ${costText(bytes, made.to.size, `${made.to.name} ${made.to.version}`)}, from ${made.from.version}.`;
  context.output.result({ path, ...planFacts(made) }, text);
}

/** What does not belong in a name of a file does not get there. */
async function nameOf({ old, new: wanted }: DeltaRequest): Promise<string> {
  using before = openEnd(old);
  using after = openEnd(wanted);
  const [from, to] = [await endOf(old, before), await endOf(wanted, after)];
  refuseUnrelated(from, to);
  return `${to.name}-${from.version}-${to.version}.delta`.replaceAll(/[^\w.+~-]/g, "_");
}

async function planUpdate(
  context: CliContext,
  from: string,
  to: string,
  { all = false }: { readonly all?: boolean },
): Promise<void> {
  const made = await madeDelta(context, "plan the update", { ...pathsOf(context, from, to), compare: true });
  context.output.result(planFacts(made), planText(made, all));
}

const pathsOf = ({ cwd }: CliContext, from: string, to: string): DeltaRequest => ({
  ...{ old: resolve(cwd, from), new: resolve(cwd, to) },
});

async function madeDelta(context: CliContext, title: string, request: DeltaRequest): Promise<MadeDeltaFile> {
  const { progress, output, clock, json } = context;
  return await progress.step(title, async (note) => {
    return await deltaOf(request, context, phaseProgress({ title, output, clock, json, note }));
  });
}
