/** Whose a machine is, as far as certificates tell. Nothing heavy: the agent reads it at its start. docs/concepts/pki.md */
import type { X509Certificate } from "node:crypto";
import { AppError } from "../core/error.ts";
import { certificatesIn } from "../host/certificates.ts";
import { keyFingerprint } from "../host/node-key.ts";
import { AUTHORITIES_FILE } from "../layout/api-places.ts";
import { NODE_ORGANISATION } from "../pki/identity.ts";

/** @param text PEM, one or more @throws AppError `API_AUTHORITY_INVALID`: nobody would know who may call */
export function authoritiesIn(text: string): readonly X509Certificate[] {
  const found = certificatesIn(text);
  if (found.length > 0 && found.every(({ ca }) => ca)) return found;
  throw new AppError("API_AUTHORITY_INVALID", `${AUTHORITIES_FILE} does not hold certificates of authorities alone`, {
    hint: "Put the ca.pem there that `petrify gen secrets` has written.",
  });
}

/**
 * Of a machine's certificate, whatever its time: a clock that is not set is no reason to refuse it.
 *
 * @param text PEM
 * @param fingerprint of the machine's key
 * @throws AppError `NODE_CERTIFICATE_INVALID`
 */
export function assertNodeCertificate(text: string, authorities: readonly X509Certificate[], fingerprint: string): void {
  const [own, ...more] = certificatesIn(text);
  if (!own || more.length > 0) throw invalid("it is not one certificate (PEM)");
  if (keyFingerprint(own.publicKey) !== fingerprint) throw invalid("it is not of this machine's key");
  if (own.toLegacyObject().subject.O !== NODE_ORGANISATION) throw invalid("it is not one of a machine");
  if (!authorities.some((one) => own.checkIssued(one) && own.verify(one.publicKey)))
    throw invalid("none of the authorities has signed it");
}

const invalid = (why: string): AppError =>
  new AppError("NODE_CERTIFICATE_INVALID", `the certificate is none for this machine: ${why}`);
