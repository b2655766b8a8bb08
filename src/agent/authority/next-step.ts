/** What a machine asks the program for that signs for its authority. Pure. docs/concepts/pki.md */
import { createHash, type X509Certificate } from "node:crypto";

export type NextStep =
  | { readonly is: "join"; readonly token: string }
  | { readonly is: "renew" }
  /** @property why the end of a sentence */
  | { readonly is: "nothing"; readonly why: string };

export interface Situation {
  /** Whether the machine has an owner. */
  readonly isOwned: boolean;
  readonly token: string | undefined;
  /** What it shows; nothing where no authority has made one. */
  readonly certificate: Pick<X509Certificate, "validFromDate" | "validToDate" | "issuer" | "subject"> | undefined;
  /** Of its key. */
  readonly fingerprint: string;
  /** Seconds since 1970. */
  readonly now: number;
}

/** Of a certificate's life. After it admins' calls renew it, too. */
const DUE_AFTER = 2 / 3;
/** Machines that were set up at once come one after the other within this part of it. */
const SPREAD = 1 / 12;

export function nextStep({ isOwned, token, certificate, fingerprint, now }: Situation): NextStep {
  if (!isOwned)
    return token === undefined
      ? { is: "nothing", why: "nobody owns this machine, and it has no join token" }
      : { is: "join", token };
  if (!certificate || certificate.issuer === certificate.subject)
    return { is: "nothing", why: "this machine has no certificate of an authority that could be renewed" };
  const [from, until] = [certificate.validFromDate, certificate.validToDate].map((date) => date.getTime() / 1000) as [
    number,
    number,
  ];
  const due = from + (until - from) * (DUE_AFTER + SPREAD * shareOf(fingerprint));
  if (now < due) return { is: "nothing", why: `its certificate is renewed from ${new Date(due * 1000).toISOString()} on` };
  return { is: "renew" };
}

/** A number from 0 to 1 that is the machine's own, and always the same. */
const shareOf = (fingerprint: string): number => createHash("sha256").update(fingerprint).digest().readUInt32BE(0) / 2 ** 32;

/** Milliseconds: the first pause, which doubles, and how many there are; altogether ten minutes. Afterwards the timer comes again. */
const FIRST_PAUSE = 5000;
const PAUSES = 7;

/** How long to wait after each failure; each is shortened by up to a half. @param random a number from 0 to 1 */
export const pausesOf = (random: () => number): readonly number[] =>
  Array.from({ length: PAUSES }, (_, index) => FIRST_PAUSE * 2 ** index * (1 - random() / 2));
