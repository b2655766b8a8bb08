/** How one authority follows another, and how certificates are revoked: what changes in a folder of secrets. docs/concepts/pki.md */
import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import { certificatesIn, certificateText } from "../../host/certificates.ts";
import { fileExists, readText, removeFile } from "../../host/files.ts";
import { replaceFile } from "../../host/replace-file.ts";
import { sha256 } from "../../host/sha256.ts";
import { newSigningKey, openSigningKey, plainSigningKey } from "../../host/signing-key.ts";
import type { CliContext } from "../context.ts";
import { openSecrets, SECRETS } from "../secrets-folder.ts";

export const ROTATIONS = ["begin", "switch", "end"] as const;
export type Rotation = (typeof ROTATIONS)[number];

/** Only its owner may read any of it. */
const MODE = 0o600;

/**
 * Each step is one that can be cut off and done again; between them machines are told.
 *
 * @throws AppError `ROTATION_STEP`, `SECRETS_INVALID`
 */
export async function rotateAuthority(
  folder: string,
  step: Rotation,
  { random, now }: Pick<CliContext, "random" | "now">,
): Promise<void> {
  const at = (name: string): string => join(folder, name);
  const { authority, authorities } = await openSecrets(folder);
  const list = certificatesIn(authorities);
  const own = certificateText(authority.certificate);
  const hasNext = await fileExists(at(SECRETS.nextKey));
  if (step === "begin") {
    if (list.length > 1) throw wrongStep("another authority is accepted already", hasNext ? "switch" : "end");
    const key = await newSigningKey();
    const { authorityCertificate } = await import("../../pki/certificate.ts");
    const certificate = certificateText(authorityCertificate(key, { sha256, random, now: now() }));
    // The key first: the list says that the step is done.
    await replaceFile(at(SECRETS.nextKey), plainSigningKey(key.pkcs8), MODE);
    await replaceFile(at(SECRETS.authorities), own + certificate, MODE);
    return;
  }
  if (step === "switch") {
    if (!hasNext || list.length < 2) throw wrongStep("there is no other authority yet", list.length > 1 ? "end" : "begin");
    const text = await readText(at(SECRETS.nextKey));
    await openSigningKey(text, at(SECRETS.nextKey), () => {
      throw wrongStep(`${SECRETS.nextKey} has a password`, "begin");
    });
    const former = await readText(at(SECRETS.authorityKey));
    if (former !== text) await replaceFile(at(SECRETS.formerKey), former, MODE);
    await replaceFile(at(SECRETS.authorityKey), text, MODE);
    await removeFile(at(SECRETS.nextKey));
    return;
  }
  if (hasNext) throw wrongStep("the other authority does not sign yet", "switch");
  if (list.length < 2 && !(await fileExists(at(SECRETS.formerKey)))) throw wrongStep("there is one authority", "begin");
  await replaceFile(at(SECRETS.authorities), own, MODE);
  await removeFile(at(SECRETS.formerKey));
}

/** @returns the epoch that counts from now on */
export async function raiseEpoch(folder: string): Promise<number> {
  const { epoch } = await openSecrets(folder);
  await replaceFile(join(folder, SECRETS.epoch), `${epoch + 1}\n`, MODE);
  return epoch + 1;
}

const wrongStep = (why: string, next: Rotation): AppError =>
  new AppError("ROTATION_STEP", `that step is not the next one: ${why}`, { hint: `petrify gen secrets --rotate ${next}` });
