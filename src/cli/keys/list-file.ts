/** The file with the list of trusted keys, and the keys that are named on a command line. */
import { resolve } from "node:path";
import { Option } from "commander";
import { AppError } from "../../core/error.ts";
import { fileExists } from "../../host/files.ts";
import { replaceFile } from "../../host/replace-file.ts";
import { sha256 } from "../../host/sha256.ts";
import type { PublicKey } from "../../core/signature.ts";
import { keyId, parsePublicKey, type KeyId } from "../../layout/public-key.ts";
import { formatKeyList, parseKeyList } from "../../release/key-list.ts";
import type { TrustedKeys } from "../../release/trusted-keys.ts";
import type { CliContext } from "../context.ts";
import { keyText } from "../signing-key.ts";

export const LIST_FILE = "trusted-keys.json";

export interface ListOptions {
  readonly list: string;
}
export const listOption = (): Option => new Option("--list <file>", "the list of trusted keys").default(LIST_FILE);

type At = Pick<CliContext, "cwd">;

/** @throws AppError `KEYS_MISSING`, `KEYS_INVALID` */
export async function readKeyList({ cwd }: At, file: string): Promise<TrustedKeys> {
  const path = resolve(cwd, file);
  if (!(await fileExists(path))) {
    throw new AppError("KEYS_MISSING", `there is no list of trusted keys at ${path}`, {
      hint: "Make one: petrify keys init NAME.pub; or name it: --list FILE.",
    });
  }
  return parseKeyList(await keyText(path), path, sha256);
}

/** Whoever reads it meanwhile has the old list or the new one. */
export const writeKeyList = async ({ cwd }: At, file: string, set: TrustedKeys): Promise<void> =>
  await replaceFile(resolve(cwd, file), formatKeyList(set));

/** The public key in a file. @throws AppError `KEY_MISSING`, `KEY_INVALID` */
export async function publicKeyOf({ cwd }: At, file: string): Promise<PublicKey> {
  const path = resolve(cwd, file);
  const text = await keyText(path);
  if (/^-----BEGIN [A-Z ]*PRIVATE KEY-----/m.test(text)) {
    throw new AppError("KEY_INVALID", `${path}: is a private key`, {
      hint: "Name its .pub file: the list is for everybody to read.",
    });
  }
  return parsePublicKey(text, path);
}

const MIN_DIGITS = 8;

/**
 * A key of the list, by its id, by the first digits of it, or by its .pub file.
 *
 * @throws AppError `KEY_UNKNOWN`, `KEY_MISSING`, `KEY_INVALID`
 */
export async function idOf(at: At, named: string, { keys }: TrustedKeys): Promise<KeyId> {
  if (!/^[0-9a-f]{1,64}$/.test(named) || (await fileExists(resolve(at.cwd, named))))
    return keyId(await publicKeyOf(at, named), sha256);
  const found = named.length < MIN_DIGITS ? [] : keys.filter(({ id }) => id.startsWith(named));
  if (found.length === 1) return found[0]!.id;
  throw new AppError("KEY_UNKNOWN", `${found.length === 0 ? "no key" : "more than one key"} of the list begins with ${named}`, {
    hint: `Name at least ${MIN_DIGITS} digits of its id, as \`petrify keys list\` shows it, or its .pub file.`,
  });
}
