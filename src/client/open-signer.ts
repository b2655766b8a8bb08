/** A connection to a program that signs for an authority, which knows its callers by the keys that they have. docs/concepts/pki.md */
import type { X509Certificate } from "node:crypto";
import { ConnectError, createClient, type Client } from "@connectrpc/connect";
import { AppError } from "../core/error.ts";
import { certificatesIn } from "../host/certificates.ts";
import type { TlsCredentials } from "../host/tls-client.ts";
import { SIGNER_ORGANISATION } from "../pki/identity.ts";
import { SigningService } from "../protocol/petrify/v1/signing_pb.ts";
import { shortLine } from "../layout/short-line.ts";
import type { Address } from "./address.ts";
import { connected, transportOver } from "./open-node.ts";

export interface SignerConnection extends AsyncDisposable {
  readonly signing: Client<typeof SigningService>;
}

/**
 * Who answers has to have a certificate for signing of one of the authorities. Its name does not matter, and neither does the time: there is no other use of
 * such a certificate, and the clock of a machine may not be set.
 *
 * @param signal also of how long it may take
 * @throws AppError `SIGNER_UNREACHABLE`, `SIGNER_UNKNOWN`
 */
export async function openSigner(
  { host, port }: Address,
  credentials: TlsCredentials,
  signal: AbortSignal,
): Promise<SignerConnection> {
  const accepted = certificatesIn(credentials.authorities);
  const socket = await connected(
    { host, port },
    credentials,
    ({ certificate }) => assertSigner(host, certificate, accepted),
    signal,
  ).catch((error: unknown) => {
    if (!(error instanceof AppError) || error.code !== "NODE_UNREACHABLE") throw error;
    throw new AppError("SIGNER_UNREACHABLE", error.message, { hint: "Is `petrify ca serve` running there?", cause: error });
  });
  const { transport, end } = transportOver(socket, { host, port });
  return { signing: createClient(SigningService, transport), [Symbol.asyncDispose]: end };
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
