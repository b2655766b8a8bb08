/** A connection to a program that signs for an authority, which knows its callers by the keys that they have. docs/concepts/pki.md */
import type { X509Certificate } from "node:crypto";
import { ConnectError, createClient, type Client } from "@connectrpc/connect";
import { AppError } from "../core/error.ts";
import { certificatesIn } from "../host/certificates.ts";
import { keyFingerprint } from "../host/node-key.ts";
import { connectTls, type TlsCredentials } from "../host/tls-client.ts";
import { SIGNER_ORGANISATION } from "../pki/identity.ts";
import { SigningService } from "../protocol/petrify/v1/signing_pb.ts";
import { shortLine } from "../layout/short-line.ts";
import type { Address } from "./address.ts";
import { isLost, transportOver } from "./open-node.ts";

export interface SignerConnection extends AsyncDisposable {
  readonly signing: Client<typeof SigningService>;
}
export type OwnPair = Pick<TlsCredentials, "certificate" | "key">;

/** Asking for the authorities, over a slow line; milliseconds. */
const ANSWER_MS = 20_000;

/**
 * Who answers has to have a certificate for signing of one of the authorities. Its name does not matter, and neither does the time: there is no other use of
 * such a certificate, and the clock of a machine may not be set.
 *
 * @param own shown to who signs, which sees that its key is there
 * @param accepted certificates of the authorities (PEM), or the fingerprint of an authority's key, for who has never seen its certificate
 * @throws AppError `SIGNER_UNREACHABLE`, `SIGNER_UNKNOWN`
 */
export async function openSigner(
  { host, port }: Address,
  own: OwnPair,
  accepted: { readonly authorities: string } | { readonly fingerprint: string },
  signal: AbortSignal,
): Promise<SignerConnection> {
  let shown: X509Certificate | undefined;
  // None of them vouches for anybody here: see assertSigner.
  const credentials = { ...own, authorities: own.certificate };
  const socket = await connectTls({ host, port }, credentials, (one) => void (shown = one.certificate), signal).catch(
    (error: unknown) => {
      if (!isLost(error)) throw error;
      throw new AppError("SIGNER_UNREACHABLE", error.message, { hint: "Is `petrify ca serve` running there?", cause: error });
    },
  );
  const { transport, end } = transportOver(socket, { host, port });
  const signing = createClient(SigningService, transport);
  try {
    const authorities =
      "authorities" in accepted
        ? certificatesIn(accepted.authorities)
        : certificatesIn((await signing.authorities({}, { signal, timeoutMs: ANSWER_MS })).authorities).filter(
            (one) => keyFingerprint(one.publicKey) === accepted.fingerprint,
          );
    assertSigner(host, shown!, authorities);
  } catch (error) {
    await end();
    signal.throwIfAborted();
    throw signerError(host, error);
  }
  return { signing, [Symbol.asyncDispose]: end };
}

function assertSigner(host: string, shown: X509Certificate, accepted: readonly X509Certificate[]): void {
  const isOurs = accepted.some((one) => shown.checkIssued(one) && shown.verify(one.publicKey));
  if (isOurs && shown.toLegacyObject().subject.O === SIGNER_ORGANISATION) return;
  throw new AppError("SIGNER_UNKNOWN", `what answers as ${host} does not sign for the authority that is accepted here`, {
    hint: "Check the address, and whose authority it is.",
  });
}

/** What a call has failed with, as whoever made it can use it. */
export function signerError(host: string, error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  const [message = "", hint] = error.rawMessage.split("\nhint: ").map(shortLine);
  const code = error.metadata.get("error-code");
  if (code !== null && /^[A-Z][A-Z0-9_]{0,63}$/.test(code))
    return new AppError(code, message, { ...(hint === undefined ? {} : { hint }), cause: error });
  return new AppError("SIGNER_FAILED", `${host} signs nothing: ${message}`, { hint: "Try again later.", cause: error });
}
