/** When a machine's certificate is made anew, and for which names. Pure. docs/concepts/pki.md */
import type { X509Certificate } from "node:crypto";
import type { MachineNames } from "../pki/certificate.ts";

/** Of its life; after it, whoever has the authority's key makes another one. */
const DUE_AFTER = 2 / 3;

/**
 * Whether a machine's certificate is to be made anew: it is of another authority than the one that signs now, or most of its time is over. One that the
 * machine has signed itself is left alone: somebody has decided to know the machine by its key.
 *
 * @param shown in the handshake
 * @param signs the authority's own
 * @param now seconds since 1970
 */
export function isRenewalDue(shown: X509Certificate, signs: X509Certificate, now: number): boolean {
  if (shown.issuer === shown.subject) return false;
  if (!shown.checkIssued(signs) || !shown.verify(signs.publicKey)) return true;
  const [from, until] = [shown.validFromDate, shown.validToDate].map((date) => date.getTime() / 1000) as [number, number];
  return now > from + (until - from) * DUE_AFTER;
}

/** Those that it has, and the one by which it is called. */
export function renewedNames(shown: X509Certificate, host: string): MachineNames {
  const { hostname, addresses } = namesIn(shown);
  return { hostname: hostname ?? host, addresses: [...new Set([...addresses, host])] };
}

/** What a machine's certificate is for. */
export function namesIn(shown: X509Certificate): Partial<MachineNames> & Pick<MachineNames, "addresses"> {
  const { CN } = shown.toLegacyObject().subject;
  const addresses = (shown.subjectAltName ?? "").split(", ").flatMap((name) => /^(?:DNS|IP Address):(.+)$/.exec(name)?.[1] ?? []);
  return { ...(typeof CN === "string" ? { hostname: CN } : {}), addresses };
}
