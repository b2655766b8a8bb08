import { resolve } from "node:path";
import type { Command } from "commander";
import type { Cli } from "../context.ts";
import { openSecrets, secretsOption } from "../secrets-folder.ts";
import { denyKey } from "./denied-keys.ts";

export function registerCaDeny(ca: Command, cli: Cli): void {
  ca.command("deny")
    .argument("<key>", "fingerprint, as `petrify ca serve` and `petrify status` show it: SHA256:…")
    .summary("sign nothing any more for a key: of a machine that was stolen, or of somebody who has left")
    .description(
      "Has `petrify ca serve` sign nothing any more for this key; one that runs knows at once. Certificates that there are go\n" +
        "on until they end: those of people end all at once by `petrify gen secrets --revoke`.",
    )
    .option("--undo", "sign for it again")
    .addOption(secretsOption())
    .addHelpText("after", "\nExamples:\n  petrify ca deny SHA256:6jrVGNkbPXuKQYVYwWXcVsUQmxJqqqzU0PSTcVJ5Y1s")
    .action(
      cli.action(
        async (context, key: string, { undo = false, secrets }: { readonly undo?: boolean; readonly secrets: string }) => {
          const folder = resolve(context.cwd, secrets);
          await openSecrets(folder);
          const changed = await denyKey(folder, key, !undo, context.signal);
          const text = undo ? "Certificates are signed for this key again." : "Nothing is signed any more for this key.";
          context.output.result({ key, denied: !undo, changed }, text);
        },
      ),
    );
}
