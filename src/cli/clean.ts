import { join } from "node:path";
import type { Command } from "commander";
import { fileExists, listFolder } from "../host/files.ts";
import { inUserNamespace } from "../host/tools.ts";
import type { Cli, CliContext } from "./context.ts";

export function registerClean(program: Command, cli: Cli): void {
  program
    .command("clean")
    .summary("empty the cache")
    .description(
      "Removes what petrify keeps to be faster the next time: the tools tree, downloaded packages, prepared bases.\nImages and recipes are not touched. The next build takes as long as the first one did.",
    )
    .option("--keep-tools", "keep the tools tree")
    .addHelpText("after", "\nExamples:\n  petrify clean\n  petrify clean --keep-tools")
    .action(cli.action(clean));
}

/** What petrify itself starts from: it would be there again at the end of this command. */
const OWN = "compiled";

async function clean(
  { cacheFolder, caller, run, progress, output, signal }: CliContext,
  { keepTools = false }: { keepTools?: boolean },
) {
  const names = (await fileExists(cacheFolder)) ? await listFolder(cacheFolder) : [];
  const removed = names.filter((name) => name !== OWN && !(keepTools && name === "tools"));
  if (removed.length > 0) {
    await progress.step(`empty ${cacheFolder}`, async () => {
      // In the namespace of the builds, because files of the trees belong to subordinate ids.
      const paths = removed.map((name) => join(cacheFolder, name));
      await run(inUserNamespace(caller, ["rm", "--recursive", "--force", "--one-file-system", "--", ...paths]), { signal });
    });
  }
  output.result(
    { folder: cacheFolder, removed, changed: removed.length > 0 },
    removed.length > 0 ? `Emptied ${cacheFolder}.` : "The cache is empty already.",
  );
}
