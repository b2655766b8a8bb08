/** Keeps the machine's certificate in force, and makes a machine that nobody owns its authority's: asks who signs. docs/concepts/pki.md */
import { X509Certificate } from "node:crypto";
import { parseAddress } from "../../client/address.ts";
import { openSigner, signerError, type OwnPair, type SignerConnection } from "../../client/open-signer.ts";
import { AppError } from "../../core/error.ts";
import { keyFingerprint } from "../../host/node-key.ts";
import { SIGNER_PORT } from "../../layout/api-places.ts";
import type { AuthoritySettings } from "../../layout/authority-settings.ts";
import { parseJoinToken } from "../../layout/join-token.ts";
import { shortLine } from "../../layout/short-line.ts";
import type { EnrolRequest } from "../enrolment.ts";
import { authoritiesIn } from "../owner.ts";
import { nextStep, pausesOf } from "./next-step.ts";

export interface KeepPorts {
  readonly settings: AuthoritySettings;
  /** PEM: the machine's key, and what it shows where no authority has made a certificate for it. */
  readonly own: OwnPair;
  readonly hostname: string;
  /** PEM; absent where nobody owns the machine. */
  readonly authorities: string | undefined;
  /** PEM; absent where no authority has made one. */
  readonly certificate: string | undefined;
  /** The agent. */
  readonly agent: {
    readonly replaceCertificate: (certificate: string) => Promise<unknown>;
    readonly enrol: (request: EnrolRequest) => Promise<unknown>;
  };
  /** Seconds since 1970. */
  readonly now: () => number;
  /** A number from 0 to 1. */
  readonly random: () => number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly log: (line: string) => void;
}

/** Of one try, over a slow line; milliseconds. */
const TRY_MS = 60_000;
/** What may be another way in a moment. */
const PASSING = new Set(["SIGNER_UNREACHABLE", "SIGNER_FAILED", "ASKED_TOO_OFTEN", "AGENT_UNREACHABLE", "SECRETS_BUSY"]);

/**
 * Does what is due, and tries again for some minutes where that is of use. Who is asked cannot do more harm than not to sign: the agent takes nothing
 * that its authority has not signed for this machine's key, and a token is only told to who has the authority's key.
 *
 * @throws the signal's reason; nothing else: what cannot be done is logged, and tried the next time
 */
export async function keepCertificate(ports: KeepPorts, signal: AbortSignal): Promise<void> {
  const { settings, log, wait, random } = ports;
  const pauses = [...pausesOf(random)];
  for (;;) {
    try {
      return await attempt(ports, AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]));
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = error as AppError;
      const pause = error instanceof AppError && !PASSING.has(code) ? undefined : pauses.shift();
      const next = pause === undefined ? "in an hour" : `in ${Math.ceil(pause / 1000)} s`;
      log(`${settings.authority} has not made a certificate for this machine (${shortLine(message)}): it is asked again ${next}`);
      if (pause === undefined) return;
      await wait(pause, signal);
    }
  }
}

async function attempt(ports: KeepPorts, signal: AbortSignal): Promise<void> {
  const { settings, own, authorities, certificate, agent, now, log, hostname } = ports;
  const fingerprint = keyFingerprint(new X509Certificate(own.certificate).publicKey);
  const shown = certificate === undefined ? undefined : new X509Certificate(certificate);
  const step = nextStep({
    isOwned: authorities !== undefined,
    token: settings.join,
    certificate: shown,
    fingerprint,
    now: now(),
  });
  if (step.is === "nothing") return log(step.why);
  const address = parseAddress(settings.authority, SIGNER_PORT);
  const asked = async <T>(call: Promise<T>): Promise<T> =>
    await call.catch((error: unknown) => {
      throw signerError(address.host, error);
    });
  if (step.is === "renew") {
    const pair = { key: own.key, certificate: certificate! };
    await using connection = await openSigner(address, pair, { authorities: authorities! }, signal);
    const answer = await asked(connection.signing.renew({}, { signal }));
    await agent.replaceCertificate(answer.certificate);
    return log(`this machine has a new certificate, until ${new X509Certificate(answer.certificate).validToDate.toISOString()}`);
  }
  const token = parseJoinToken(step.token);
  if (!token) throw new AppError("TOKEN_INVALID", "its join token is none");
  await using connection = await openSigner(address, own, { fingerprint: token.authority }, signal);
  const joined = await asked(joinOf(connection, { id: token.id, secret: token.secret, hostname }, signal));
  if (!authoritiesIn(joined.authorities).some((one) => keyFingerprint(one.publicKey) === token.authority))
    throw new AppError("SIGNER_UNKNOWN", "the authority that the join token names is not among those that it accepts");
  const { certificate: made, authorities: accepted, epoch, recovery } = joined;
  await agent.enrol({ documents: [], authorities: accepted, certificate: made, epoch: Number(epoch), recovery });
  log(`this machine is ${address.host}'s: it has joined with the token ${token.id}`);
}

const joinOf = async (
  { signing }: SignerConnection,
  request: { readonly id: string; readonly secret: string; readonly hostname: string },
  signal: AbortSignal,
) => await signing.join(request, { signal });
