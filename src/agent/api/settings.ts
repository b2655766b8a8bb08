/** What the files of a machine's API come to. docs/formats/api.md */
import { createPrivateKey } from "node:crypto";
import { AppError } from "../../core/error.ts";
import { certificatesIn, certificateText } from "../../host/certificates.ts";
import { openSigningKey } from "../../host/signing-key.ts";
import { CERTIFICATE_FILE, EPOCH_FILE } from "../../layout/api-places.ts";
import { ownNodeCertificate, type MachineNames, type Making } from "../../pki/certificate.ts";
import { parseEpoch } from "../../pki/identity.ts";
import { authoritiesIn } from "../owner.ts";
import type { ApiOptions } from "./open-api.ts";

export interface ApiFiles {
  /** The machine's own key: PKCS #8, PEM. */
  readonly key: string;
  readonly authorities: string;
  readonly certificate: string | undefined;
  readonly epoch: string | undefined;
}
type Settings = Pick<ApiOptions, "key" | "certificate" | "authorities" | "epoch">;

/**
 * A certificate that cannot be used is told of, and stands in nobody's way: who knows the machine's key knows the machine.
 *
 * @throws AppError `API_AUTHORITY_INVALID`, `API_EPOCH_INVALID`: nobody would know who may call; `KEY_INVALID`
 */
export async function apiSettings(
  { key, authorities, certificate, epoch }: ApiFiles,
  names: MachineNames,
  making: Omit<Making, "now">,
  log: (line: string) => void,
): Promise<Settings> {
  authoritiesIn(authorities);
  const since = epoch === undefined ? 0 : parseEpoch(epoch.trim());
  if (since === undefined) {
    throw new AppError("API_EPOCH_INVALID", `${EPOCH_FILE} is no number: nobody knows which certificates are revoked`, {
      hint: "Write the epoch into it that counts, or remove it.",
    });
  }
  const refusal = certificate === undefined ? undefined : refusalOf(certificate, key);
  if (refusal) log(`${CERTIFICATE_FILE} is not used: ${refusal}`);
  return {
    ...{ key, authorities, epoch: since },
    certificate: certificate !== undefined && refusal === undefined ? certificate : await ownCertificate(key, names, making),
  };
}

/**
 * What the machine has signed itself: who knows its key knows the machine.
 *
 * @param key PKCS #8, PEM
 * @returns PEM
 */
export const ownCertificate = async (key: string, names: MachineNames, making: Omit<Making, "now">): Promise<string> =>
  certificateText(ownNodeCertificate(await openSigningKey(key, "the machine's key", noPassword), names, making));

/** The end of a sentence; nothing for a certificate of this key. */
function refusalOf(certificate: string, key: string): string | undefined {
  const [own] = certificatesIn(certificate);
  if (!own) return "it is no certificate";
  return own.checkPrivateKey(createPrivateKey(key)) ? undefined : "it is not of this machine's key";
}

const noPassword = (): never => {
  throw new AppError("KEY_INVALID", "the machine's key has a password");
};
