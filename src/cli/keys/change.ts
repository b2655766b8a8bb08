/** What makes the list of trusted keys, and the next one of it. */
import { resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { AppError } from "../../core/error.ts";
import { fileExists } from "../../host/files.ts";
import { sha256 } from "../../host/sha256.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { addKey, firstKeys, removeKey, revokeKey } from "../../release/change-keys.ts";
import type { TrustedKeys } from "../../release/trusted-keys.ts";
import type { Cli, CliContext } from "../context.ts";
import { listText } from "./list.ts";
import { idOf, listOption, publicKeyOf, readKeyList, writeKeyList, type ListOptions } from "./list-file.ts";

export function registerKeysInit(keys: Command, cli: Cli): void {
  keys
    .command("init")
    .argument("<keys...>", "public keys: the .pub files of petrify or cosign")
    .summary("make the first list of trusted keys")
    .description(
      "Writes the first list of keys that machines trust, with the epoch 1. The recipe names it (`trust`), and every\n" +
        "machine that is installed from its image asks for signatures of these keys from then on.\n" +
        "Have at least two, and keep the second one in another place: it is what revokes the first one.",
    )
    .addOption(listOption())
    .addHelpText(
      "after",
      "\nExamples:\n  petrify keys init edge.pub spare.pub\n  petrify keys init edge.pub --list keys/trusted.json",
    )
    .action(
      cli.action(async (context, files: string[], { list }: ListOptions) => {
        const path = resolve(context.cwd, list);
        if (await fileExists(path)) {
          throw new AppError("KEYS_EXIST", `${path} is there already`, {
            hint: "Add a key to it: petrify keys rotate NAME.pub. Machines would not take another first list.",
          });
        }
        const found = await Promise.all(files.map(async (file) => await publicKeyOf(context, file)));
        const set = firstKeys(found, sha256);
        const [twice] = set.keys.filter(({ id }, index) => set.keys[index + 1]?.id === id);
        if (twice) throw new AppError("KEYS_INVALID", `key ${twice.id} was named twice`, { hint: "Name each key once." });
        await put(context, list, undefined, set);
      }),
    );
}

export function registerKeysRotate(keys: Command, cli: Cli): void {
  keys
    .command("rotate")
    .argument("<key>", "public key: a .pub file of petrify or cosign")
    .summary("add a new key to the list, which gets the next epoch")
    .description(
      "Adds a key to the list. Machines learn it from the next release, when that carries the list and is signed with\n" +
        "a key that they trust already: sign that release with both. A key that is there already changes nothing.",
    )
    .addOption(listOption())
    .option("--from <date>", "count it only for releases that are created from this day on (UTC)", parseDate)
    .addHelpText("after", "\nExamples:\n  petrify keys rotate edge-2.pub\n  petrify keys rotate edge-2.pub --from 2027-01-31")
    .action(
      cli.action(async (context, file: string, { list, from }: ListOptions & { readonly from?: number }) => {
        const before = await readKeyList(context, list);
        await put(context, list, before, addKey(before, await publicKeyOf(context, file), sha256, from));
      }),
    );
}

export function registerKeysRevoke(keys: Command, cli: Cli): void {
  keys
    .command("revoke")
    .argument("<key>", "id, its first digits, or the .pub file of a key in the list")
    .summary("revoke a key for good, in a list with the next epoch")
    .description(
      "Revokes a key: once a machine has the list, nothing counts any more that the key has ever signed. There is no way\n" +
        "back. The release that brings the list is to be signed with another key of it. What machines run already stays.",
    )
    .addOption(listOption())
    .addHelpText("after", "\nExamples:\n  petrify keys revoke edge.pub\n  petrify keys revoke 1f0a4f2f9d3c")
    .action(
      cli.action(async (context, named: string, { list }: ListOptions) => {
        const before = await readKeyList(context, list);
        await put(context, list, before, revokeKey(before, await idOf(context, named, before), secondsNow()));
      }),
    );
}

export function registerKeysRemove(keys: Command, cli: Cli): void {
  keys
    .command("remove")
    .argument("<key>", "id, its first digits, or the .pub file of a key in the list")
    .summary("take a key out of the list that is done with, which gets the next epoch")
    .description(
      "Takes a key out of the list. It could come back later: for keys that nobody else has. One that is lost or stolen is\n" +
        "to be revoked.",
    )
    .addOption(listOption())
    .addHelpText("after", "\nExamples:\n  petrify keys remove edge.pub")
    .action(
      cli.action(async (context, named: string, { list }: ListOptions) => {
        const before = await readKeyList(context, list);
        await put(context, list, before, removeKey(before, await idOf(context, named, before)));
      }),
    );
}

/** @param before nothing where there was no list */
async function put(context: CliContext, list: string, before: TrustedKeys | undefined, set: TrustedKeys): Promise<void> {
  const path = resolve(context.cwd, list);
  const changed = set !== before;
  if (changed) await writeKeyList(context, list, set);
  const said = changed ? `Wrote ${path}.` : `${path} is as it was: nothing was to change.`;
  const next = before
    ? "Next: build, and push a release that is signed with a key of the list before."
    : `Next: trust: ${list} in the recipe.`;
  context.output.result({ path, changed, ...set }, [said, listText(set), ...(changed ? [next] : [])].join("\n"));
}

function parseDate(text: string): number {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(text) : Number.NaN;
  const isDate = !Number.isNaN(time) && new Date(time).toISOString().startsWith(text); // the 31st of April is none
  if (!isDate || time < 0) throw new InvalidArgumentError("Write a day: 2027-01-31.");
  return time / 1000;
}
