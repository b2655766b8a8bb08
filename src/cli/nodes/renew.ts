/** What the first call of an admin does whose context has the authority's key: no machine's certificate ends unseen. docs/concepts/pki.md */
import { X509Certificate } from "node:crypto";
import type { Context, NodePlace } from "../../client/contexts.ts";
import type { NodeConnection } from "../../client/open-node.ts";
import { isRenewalDue, renewedNames } from "../../client/renewal.ts";
import { certificateText } from "../../host/certificates.ts";
import { sha256 } from "../../host/sha256.ts";
import type { CliContext } from "../context.ts";
import { openSecrets } from "../secrets-folder.ts";

/** @returns the end of the new certificate, in seconds since 1970; nothing where none is due */
export type RenewCertificate = (connection: NodeConnection, place: NodePlace, signal: AbortSignal) => Promise<number | undefined>;

/** Milliseconds. */
const RENEWAL_MS = 20_000;

/** @returns nothing for a context that cannot sign, or whose owner may not change machines @throws AppError `SECRETS_INVALID` */
export async function certificateRenewal(
  { credentials }: Context,
  { random, now }: Pick<CliContext, "random" | "now">,
): Promise<RenewCertificate | undefined> {
  if (!("secrets" in credentials) || credentials.role !== "admin") return undefined;
  const { authority } = await openSecrets(credentials.secrets);
  const signs = new X509Certificate(authority.certificate);
  return async ({ client, shown }, { host }, signal) => {
    const at = now();
    if (!isRenewalDue(shown.certificate, signs, at)) return undefined;
    const { nodeCertificate } = await import("../../pki/certificate.ts");
    const { OwnerService } = await import("../../protocol/petrify/v1/enrolment_pb.ts");
    // That the machine has the key, the handshake has proven.
    const publicKey = new Uint8Array(shown.certificate.publicKey.export({ type: "spki", format: "der" }));
    const names = renewedNames(shown.certificate, host);
    const certificate = certificateText(nodeCertificate(authority, { publicKey, names }, { sha256, random, now: at }));
    await client(OwnerService).replaceCertificate({ certificate }, { signal, timeoutMs: RENEWAL_MS });
    return new X509Certificate(certificate).validToDate.getTime() / 1000;
  };
}
