/** The listener of an authority: certificates that are about to end are signed again for who has their keys. docs/concepts/pki.md */
import { X509Certificate } from "node:crypto";
import { createContextKey, createContextValues, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { tellErrors } from "../../agent/api/errors.ts";
import { limitCalls, refuseExcess, type CallLimits } from "../../agent/api/limit-calls.ts";
import { COMMON, LIMITS } from "../../agent/api/open-api.ts";
import { AppError } from "../../core/error.ts";
import { rateLimit } from "../../core/rate-limit.ts";
import { certificateText } from "../../host/certificates.ts";
import { keyFingerprint } from "../../host/node-key.ts";
import { sha256 } from "../../host/sha256.ts";
import { newSigningKey, plainSigningKey } from "../../host/signing-key.ts";
import {
  certificateOf,
  serveTls,
  type ListenAt,
  type TlsLimits,
  type TlsRequest,
  type TlsServer,
} from "../../host/tls-server.ts";
import {
  clientCertificate,
  nodeCertificate,
  signerCertificate,
  type Authority,
  type MachineNames,
  type Making,
} from "../../pki/certificate.ts";
import { SigningService, type JoinRequest } from "../../protocol/petrify/v1/signing_pb.ts";
import type { Joining } from "./join-tokens.ts";
import { renewable, type Renewable, type Standing } from "./renewable.ts";

export interface SigningOptions {
  readonly at: ListenAt;
  readonly names: MachineNames;
  readonly authority: Authority;
  /** What machines that join are given of the recovery token. */
  readonly recovery: string | undefined;
  /** What may be another at each request: others change the folder of secrets meanwhile. */
  readonly standing: () => Promise<Omit<Standing, "now">>;
  /** Takes one of a join token's uses, durably. @throws AppError where there is none to take */
  readonly spend: (joining: Joining, now: number) => Promise<void>;
  readonly random: Making["random"];
  /** Seconds since 1970. */
  readonly now: () => number;
  readonly log: (event: SigningEvent) => void;
  readonly limits?: Partial<TlsLimits & CallLimits>;
}
/** What has happened; nothing of it is secret. */
export type SigningEvent = { readonly at: string; readonly address: string } & (
  | {
      readonly type: "signed";
      readonly is: Renewable["is"];
      readonly name: string;
      /** Fingerprint of its key. */
      readonly key: string;
      readonly until: string;
      /** Of a machine that has joined: number of its token. */
      readonly token?: string;
    }
  | { readonly type: "refused"; readonly key?: string; readonly code?: string; readonly reason: string }
);

/** Who is at the other end of a connection. */
interface Stranger {
  readonly address: string;
  readonly shown: X509Certificate | undefined;
}
const STRANGER = createContextKey<Stranger>({ address: "somebody", shown: undefined });

/** Requests of one address: a site behind one address has many machines. Documented in docs/concepts/pki.md, as are the ones below. */
const OF_ADDRESS = { burst: 60, seconds: 1, keys: 10_000 };
/** Certificates for one key. */
const OF_KEY = { burst: 3, seconds: 600, keys: 100_000 };

/** Machines ask while they boot, when they are slow; milliseconds. */
const HANDSHAKE_MS = 30_000;
/** A number, a secret and a name. */
const REQUEST_BYTES = 4096;

export async function openSigning(options: SigningOptions): Promise<TlsServer> {
  const { at, names, authority, recovery, random, now, log, limits } = options;
  const own = await newSigningKey();
  const making = (): Making => ({ sha256, random, now: now() });
  const certificate = certificateText(signerCertificate(authority, { publicKey: own.publicKey, names }, making()));
  const time = (): string => new Date(now() * 1000).toISOString();
  const refused = (address: string, reason: string, more: { readonly code?: string; readonly key?: string } = {}): void =>
    log({ type: "refused", at: time(), address, reason, ...more });
  const ofAddress = rateLimit(OF_ADDRESS);
  const ofKey = rateLimit(OF_KEY);

  /** For who may have it, and logged either way. */
  const answered = async <One extends Signed>(
    context: HandlerContext,
    sign: (stranger: Stranger) => Promise<One>,
  ): Promise<One> => {
    const stranger = context.values.get(STRANGER);
    const { address, shown } = stranger;
    try {
      if (!ofAddress.take(address, now())) throw tooOften();
      const signed = await sign(stranger);
      log({ type: "signed", at: time(), address, ...signed.event });
      return signed;
    } catch (error) {
      const key = shown === undefined ? {} : { key: keyFingerprint(shown.publicKey) };
      if (error instanceof AppError) refused(address, error.message, { code: error.code, ...key });
      throw error;
    }
  };
  const renew = async ({ shown }: Stranger): Promise<Signed> => {
    const found = renewable(shown, { ...(await options.standing()), now: now() });
    if (!ofKey.take(found.fingerprint, now())) throw tooOften();
    return signedFor(authority, found, making());
  };
  const join = async ({ shown, address }: Stranger, { id, secret, hostname }: JoinRequest): Promise<Joined> => {
    if (!shown) throw new AppError("CERTIFICATE_MISSING", "no certificate was shown: nobody knows the machine's key");
    if (!HOST_NAME.test(hostname))
      throw new AppError("NAME_INVALID", "the machine has no host name that a certificate can be for");
    const fingerprint = keyFingerprint(shown.publicKey);
    const { authorities, epoch, denied } = await options.standing();
    if (denied.has(fingerprint)) throw new AppError("KEY_DENIED", `nothing is signed any more for the key ${fingerprint}`);
    if (!ofKey.take(fingerprint, now())) throw tooOften();
    await options.spend({ id, secret, key: fingerprint, hostname }, now());
    const publicKey = new Uint8Array(shown.publicKey.export({ type: "spki", format: "der" }));
    const from = address.replace(/^::ffff:/, "");
    // Nothing that only this machine, or this link, knows it by.
    const isReached = /^[0-9a-f.:]+$/i.test(from) && !/^(?:127\.|::1$|fe80:)/i.test(from);
    const called = { hostname, addresses: isReached ? [from] : [] };
    const signed = signedFor(authority, { is: "machine", publicKey, fingerprint, names: called }, making());
    return { ...signed, event: { ...signed.event, token: id }, authorities: textOf(authorities), epoch };
  };
  const routes = (router: ConnectRouter): void =>
    void router.service(SigningService, {
      renew: async (_request, context) => ({ certificate: (await answered(context, renew)).certificate }),
      authorities: async () => ({ authorities: textOf((await options.standing()).authorities) }),
      join: async (request, context) => {
        const joined = await answered(context, async (one) => await join(one, request));
        return {
          certificate: joined.certificate,
          authorities: joined.authorities,
          epoch: BigInt(joined.epoch),
          recovery: recovery ?? "",
        };
      },
    });
  const calls = connectNodeAdapter({
    routes,
    contextValues: (request) =>
      limited.mark(request, createContextValues().set(STRANGER, { address: addressOf(request), shown: certificateOf(request) })),
    requestGate: refuseExcess,
    interceptors: [tellErrors((what, error) => refused("", `${what} failed: ${(error as Error).message}`))],
    ...{ ...COMMON, readMaxBytes: REQUEST_BYTES },
  });
  const all = { ...LIMITS, handshakeMs: HANDSHAKE_MS, ...limits };
  const limited = limitCalls(all, () => false, addressOf, calls);
  return await serveTls({
    ...{ at, handle: limited.handle, refused, callers: "unjudged", limits: all },
    ...{ key: plainSigningKey(own.pkcs8), certificate },
  });
}

interface Signed {
  /** PEM. */
  readonly certificate: string;
  readonly event: Omit<Extract<SigningEvent, { readonly type: "signed" }>, "type" | "at" | "address">;
}
interface Joined extends Signed {
  readonly authorities: string;
  readonly epoch: number;
}

/** Source: RFC 1123, section 2.1 */
const HOST_NAME =
  /^(?=.{1,64}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

const textOf = (certificates: readonly X509Certificate[]): string => certificates.map(String).join("");

function signedFor(authority: Authority, found: Renewable, making: Making): Signed {
  const { publicKey } = found;
  const [name, made] =
    found.is === "machine"
      ? [found.names.hostname, nodeCertificate(authority, { publicKey, names: found.names }, making)]
      : [found.identity.name, clientCertificate(authority, { publicKey, identity: found.identity, hours: found.hours }, making)];
  const certificate = certificateText(made);
  const until = new X509Certificate(certificate).validToDate.toISOString();
  return { certificate, event: { is: found.is, name, key: found.fingerprint, until } };
}

const tooOften = (): AppError =>
  new AppError("ASKED_TOO_OFTEN", "too much was asked for in a short time", { hint: "Try again later." });

const addressOf = (request: TlsRequest): string => request.socket.remoteAddress ?? "somebody";
