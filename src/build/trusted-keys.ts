/** The keys by which machines with the image know its releases. docs/formats/trusted-keys.md */
import { resolve } from "node:path";
import { AppError } from "../core/error.ts";
import { readHead } from "../host/files.ts";
import { sha256 } from "../host/sha256.ts";
import { bytesOfBase64 } from "../layout/base64.ts";
import { formatPublicKey } from "../layout/public-key.ts";
import { parseKeyList } from "../release/key-list.ts";
import { encodeTrustedKeys, KEYS_FOLDER, TRUSTED_KEYS_PATH, type TrustedKeys } from "../release/trusted-keys.ts";
import type { Tree } from "./tree.ts";

/** Bytes. 64 keys have some 25 KB. */
const LARGEST = 131_072;

/**
 * The list that a recipe names.
 *
 * @param file as the recipe has it
 * @throws AppError `KEYS_MISSING`, `KEYS_INVALID`
 */
export async function readTrust(file: string, recipeFolder: string): Promise<TrustedKeys> {
  const path = resolve(recipeFolder, file);
  const bytes = await readHead(path, LARGEST + 1);
  if (!bytes) {
    throw new AppError("KEYS_MISSING", `trust: there is no list of trusted keys at ${path}`, {
      hint: `Make one by \`petrify keys init\`. Paths are relative to the recipe: ${recipeFolder}.`,
    });
  }
  if (bytes.length > LARGEST) throw new AppError("KEYS_INVALID", `trust: ${path} has more than ${LARGEST} bytes`);
  return parseKeyList(new TextDecoder().decode(bytes), `trust: ${path}`, sha256);
}

/**
 * Puts the list into the image, and the keys that count beside it, for cosign and OpenSSL. What was there goes: nobody has checked it, and a machine that
 * cannot read its list takes no release.
 */
export async function addTrustedKeys({ fs }: Pick<Tree, "fs">, trusted: TrustedKeys | undefined): Promise<void> {
  await fs.remove(KEYS_FOLDER);
  if (!trusted) return;
  await fs.write(TRUSTED_KEYS_PATH, encodeTrustedKeys(trusted));
  for (const { id, publicKey, revoked } of trusted.keys) {
    if (revoked === undefined) await fs.write(`${KEYS_FOLDER}/${id}.pub`, formatPublicKey(bytesOfBase64(publicKey)!));
  }
}
