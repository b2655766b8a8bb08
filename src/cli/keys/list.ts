import { resolve } from "node:path";
import type { Command } from "commander";
import { dateText } from "../../core/date-text.ts";
import { base64 } from "../../layout/base64.ts";
import { sha256 } from "../../host/sha256.ts";
import { formatPublicKey, keyId, parsePublicKey } from "../../layout/public-key.ts";
import type { TrustedKey, TrustedKeys } from "../../release/trusted-keys.ts";
import type { Cli } from "../context.ts";
import { keyText, openKeyFile, passwordOption } from "../signing-key.ts";
import { LIST_FILE, readKeyList } from "./list-file.ts";

export function registerKeysList(keys: Command, cli: Cli): void {
  keys
    .command("list")
    .argument("[file]", "the list of trusted keys", LIST_FILE)
    .summary("show the keys of a list, and which of them count")
    .addHelpText("after", "\nExamples:\n  petrify keys list\n  petrify keys list keys/trusted.json --json")
    .action(
      cli.action(async (context, file: string) => {
        const set = await readKeyList(context, file);
        context.output.result({ path: resolve(context.cwd, file), ...set }, listText(set));
      }),
    );
}

export function registerKeysShow(keys: Command, cli: Cli): void {
  keys
    .command("show")
    .argument("<file>", "a public or a private key")
    .summary("show the id of a key, and its public half")
    .addOption(passwordOption())
    .addHelpText(
      "after",
      "\nExamples:\n  petrify keys show edge.pub\n  petrify keys show edge.key > edge.pub    # asks for its password",
    )
    .action(
      cli.action(async (context, file: string, { passwordFd }: { readonly passwordFd?: number }) => {
        const path = resolve(context.cwd, file);
        const text = await keyText(path);
        const isPrivate = /^-----BEGIN [A-Z ]*PRIVATE KEY-----/m.test(text);
        const key = isPrivate ? (await openKeyFile(context, file, passwordFd)).publicKey : parsePublicKey(text, path);
        const id = keyId(key, sha256);
        if (!context.json) context.sinks.err(`key ${id}\n`);
        context.output.result({ path, id, publicKey: base64(key) }, formatPublicKey(key).trimEnd());
      }),
    );
}

/** A line for each key. */
export function listText({ epoch, keys }: TrustedKeys): string {
  const words = ({ notBefore, revoked }: TrustedKey): string => {
    if (revoked !== undefined) return `REVOKED on ${dateText(revoked)}`;
    return notBefore === undefined ? "trusted" : `trusted for releases from ${dateText(notBefore)} on`;
  };
  return [`epoch ${epoch}`, ...keys.map((key) => `${key.id}  ${words(key)}`)].join("\n");
}
