/** What an authority signs again without anybody's being asked. Pure. docs/concepts/pki.md */
import type { X509Certificate } from "node:crypto";
import { namesIn } from "../../client/renewal.ts";
import { timeText } from "../../core/date-text.ts";
import { AppError } from "../../core/error.ts";
import { keyFingerprint } from "../../host/node-key.ts";
import type { MachineNames } from "../../pki/certificate.ts";
import { identityOf, NODE_ORGANISATION, type Identity } from "../../pki/identity.ts";

/** What there is to know before something is signed. */
export interface Standing {
  /** Whose certificates are signed again. */
  readonly authorities: readonly X509Certificate[];
  /** Certificates of people of an epoch before it are revoked. */
  readonly epoch: number;
  /** Fingerprints of keys for which nothing is signed any more. */
  readonly denied: ReadonlySet<string>;
  /** Seconds since 1970. */
  readonly now: number;
}
export type Renewable = { readonly publicKey: Uint8Array; readonly fingerprint: string } & (
  | { readonly is: "machine"; readonly names: MachineNames }
  | { readonly is: "person"; readonly identity: Identity; readonly hours: number }
);

const HOUR = 3600;
const ANOTHER = "petrify gen certificate makes another one, where the authority's key is";
/** A machine that was off comes back with a certificate that is over. */
const MACHINE_GRACE = 365 * 24 * HOUR;

/**
 * A person's certificate is signed again while it is in force: what was lost or stolen ends by itself. A machine's for another year.
 *
 * @param shown in the handshake, which has proven that its owner has the key
 * @throws AppError `CERTIFICATE_MISSING`, `CERTIFICATE_UNKNOWN`, `CERTIFICATE_EXPIRED`, `CERTIFICATE_REVOKED`, `KEY_DENIED`
 */
export function renewable(shown: X509Certificate | undefined, { authorities, epoch, denied, now }: Standing): Renewable {
  if (!shown) throw new AppError("CERTIFICATE_MISSING", "no certificate was shown: there is nothing to sign again");
  if (!authorities.some((one) => shown.checkIssued(one) && shown.verify(one.publicKey)))
    throw new AppError("CERTIFICATE_UNKNOWN", "the certificate is of another authority");
  const fingerprint = keyFingerprint(shown.publicKey);
  if (denied.has(fingerprint)) throw new AppError("KEY_DENIED", `nothing is signed any more for the key ${fingerprint}`);
  const [from, until] = [shown.validFromDate, shown.validToDate].map((date) => date.getTime() / 1000) as [number, number];
  const publicKey = new Uint8Array(shown.publicKey.export({ type: "spki", format: "der" }));
  const { subject } = shown.toLegacyObject();
  const { hostname, addresses } = namesIn(shown);
  if (subject.O === NODE_ORGANISATION && hostname !== undefined) {
    if (now >= until + MACHINE_GRACE) throw expired(until, "an admin's call gives the machine another one");
    return { is: "machine", publicKey, fingerprint, names: { hostname, addresses } };
  }
  const identity = identityOf({ ...subject });
  if (!identity) throw new AppError("CERTIFICATE_UNKNOWN", "the certificate is of nobody with a role, and of no machine");
  if (identity.epoch < epoch) {
    throw new AppError("CERTIFICATE_REVOKED", `the certificate of ${identity.name} is revoked: epoch ${identity.epoch} is over`, {
      hint: ANOTHER,
    });
  }
  if (now >= until) throw expired(until, ANOTHER);
  return { is: "person", publicKey, fingerprint, identity, hours: Math.max(1, Math.round((until - from) / HOUR)) };
}

const expired = (until: number, hint: string): AppError =>
  new AppError("CERTIFICATE_EXPIRED", `the certificate was over at ${timeText(until)} UTC`, { hint });
