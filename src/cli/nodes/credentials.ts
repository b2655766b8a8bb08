/** The certificate that machines are called with. */
import { createPrivateKey } from "node:crypto";
import type { Context } from "../../client/contexts.ts";
import { timeText } from "../../core/date-text.ts";
import { AppError } from "../../core/error.ts";
import { certificatesIn, certificateText } from "../../host/certificates.ts";
import { sha256 } from "../../host/sha256.ts";
import { newSigningKey, plainSigningKey } from "../../host/signing-key.ts";
import type { TlsCredentials } from "../../host/tls-client.ts";
import type { CliContext } from "../context.ts";
import { openSecrets } from "../secrets-folder.ts";

/**
 * Made for one command where the context has the authority's key: that key of a person is never stored. Else the context's own.
 *
 * @param now seconds since 1970
 * @throws AppError `CERTIFICATE_EXPIRED`, `CERTIFICATE_INVALID`, `SECRETS_INVALID`
 */
export async function credentialsOf(
  named: string,
  { authorities, credentials }: Context,
  { random }: Pick<CliContext, "random">,
  now: number,
): Promise<TlsCredentials> {
  if (!("secrets" in credentials)) {
    assertUsable(named, credentials, now);
    return { authorities, ...credentials };
  }
  const { secrets, user: name, role } = credentials;
  // Not those of the context: there may be another one by now.
  const { authority, epoch, authorities: accepted } = await openSecrets(secrets);
  const { clientCertificate, PERSON_HOURS } = await import("../../pki/certificate.ts");
  const key = await newSigningKey();
  const identity = { name, role, epoch };
  const making = { sha256, random, now };
  const made = clientCertificate(authority, { publicKey: key.publicKey, identity, hours: PERSON_HOURS }, making);
  return { authorities: accepted, certificate: certificateText(made), key: plainSigningKey(key.pkcs8) };
}

function assertUsable(
  named: string,
  { certificate, key }: { readonly certificate: string; readonly key: string },
  now: number,
): void {
  const [own] = certificatesIn(certificate);
  const isOfKey = ((): boolean => {
    try {
      return own?.checkPrivateKey(createPrivateKey(key)) === true;
    } catch {
      return false;
    }
  })();
  if (!own || !isOfKey) {
    throw new AppError("CERTIFICATE_INVALID", `the certificate and the key of the context ${named} do not belong together`, {
      hint: `Add it again: petrify context remove ${named}`,
    });
  }
  if (own.validToDate.getTime() / 1000 > now) return;
  throw new AppError(
    "CERTIFICATE_EXPIRED",
    `your certificate of the context ${named} has expired at ${timeText(own.validToDate.getTime() / 1000)} UTC`,
    {
      hint: "Ask for a new one: petrify gen certificate makes it, where the authority's key is.",
    },
  );
}
