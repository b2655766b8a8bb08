/** What machines are given of the owner's recovery token. docs/concepts/pki.md */
import { join } from "node:path";
import { readText } from "../host/files.ts";
import { hashRecoveryToken } from "../host/recovery-token.ts";
import { sha256 } from "../host/sha256.ts";
import { SECRETS, type OpenSecrets } from "./secrets-folder.ts";

/** Of everything that is a salt like this one. */
const PURPOSE = "petrify recovery token\0";

/**
 * The same for all machines of an authority, so that nothing changes where it is handed over again: the token has too many bits to be guessed.
 *
 * @returns nothing for a folder without a token
 */
export async function recoveryHashOf({ folder, authority }: OpenSecrets): Promise<string | undefined> {
  const token = await readText(join(folder, SECRETS.recoveryToken)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (token === undefined) return undefined;
  const salt = sha256.digest(Buffer.concat([Buffer.from(PURPOSE), authority.key.publicKey])).slice(0, 16);
  return await hashRecoveryToken(token, salt);
}
