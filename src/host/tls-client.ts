import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { AppError } from "../core/error.ts";
import { keyFingerprint } from "./node-key.ts";

export interface TlsTarget {
  readonly host: string;
  readonly port: number;
}
export interface TlsCredentials {
  /** PEM, all of them; who is called has a certificate of one of the authorities, or is known otherwise. */
  readonly authorities: string;
  readonly certificate: string;
  readonly key: string;
  /** What they come to, where it was made for several connections. */
  readonly context?: SecureContext;
}

/** For many connections: to read keys and certificates takes as long as half a handshake. */
export const sharedCredentials = (credentials: TlsCredentials): TlsCredentials => ({
  ...credentials,
  context: contextOf(credentials),
});

const contextOf = ({ authorities, certificate, key }: TlsCredentials): SecureContext =>
  createSecureContext({ ca: authorities, cert: certificate, key, minVersion: "TLSv1.3" });

/** What whoever is called shows of itself. */
export interface ShownIdentity {
  readonly certificate: X509Certificate;
  /** Of its key: `SHA256:…`. */
  readonly fingerprint: string;
  /** Why the authorities do not vouch for it, as OpenSSL calls it; nothing where one does. */
  readonly doubt: string | undefined;
}

/** How long whoever is called is waited for; milliseconds. */
export interface ConnectLimits {
  /** Until a connection is there, with the lookup of its name. */
  readonly connectMs: number;
  /**
   * From then on, until it is known who is at its other end. Systemd takes a connection before it starts the program that answers, and gives programs as long.
   * Source: systemd-system.conf(5), `DefaultTimeoutStartSec=`
   */
  readonly handshakeMs: number;
}
/** Documented in docs/concepts/api.md. */
const LIMITS: ConnectLimits = { connectMs: 20_000, handshakeMs: 90_000 };

/**
 * A connection over TLS 1.3 that speaks HTTP/2, on which nothing has been said yet.
 *
 * @param credentials absent where whoever is called asks for none
 * @param trust throws for somebody who is not to be talked to
 * @param through what leads to the target, where it is not reached directly
 * @throws AppError `NODE_UNREACHABLE`, `NODE_SILENT` where a connection is there and nobody says anything; what `trust` throws; the signal's reason
 */
export async function connectTls(
  { host, port }: TlsTarget,
  credentials: TlsCredentials | undefined,
  trust: (shown: ShownIdentity) => void,
  signal: AbortSignal,
  through?: Duplex,
  limits = LIMITS,
): Promise<TLSSocket> {
  const socket = connect({
    ...(through ? { socket: through } : {}),
    ...{ host, port, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] },
    ...(credentials ? { secureContext: credentials.context ?? contextOf(credentials) } : {}),
    // `trust` decides, which may know more than the authorities.
    rejectUnauthorized: false,
    ...(isIP(host) ? {} : { servername: host }),
  });
  if (through) {
    socket.once("close", () => through.destroy());
    // Of what is no socket of the system it would not notice.
    through.once("close", () => socket.destroy());
  }
  const stop = (): void => void socket.destroy();
  signal.addEventListener("abort", stop, { once: true });
  const { connectMs, handshakeMs } = limits;
  const late = (ms: number, why: () => AppError): NodeJS.Timeout => setTimeout(() => socket.destroy(why()), ms);
  let timer = late(connectMs, () => unreachable({ host, port }, new Error(`nothing within ${connectMs / 1000} s`)));
  const isConnected = (): void => {
    clearTimeout(timer);
    timer = late(handshakeMs, () => silent({ host, port }, handshakeMs));
  };
  if (through) isConnected();
  else socket.once("connect", isConnected);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the connection was closed")));
    });
    const shown = socket.getPeerX509Certificate();
    if (!shown) throw new Error("it has shown no certificate");
    const doubt = socket.authorized ? undefined : String(socket.authorizationError);
    trust({ certificate: shown, fingerprint: keyFingerprint(shown.publicKey), doubt });
    return socket;
  } catch (cause) {
    socket.destroy();
    signal.throwIfAborted();
    if (cause instanceof AppError) throw cause;
    throw unreachable({ host, port }, cause as NodeJS.ErrnoException);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

function unreachable({ host, port }: TlsTarget, cause: NodeJS.ErrnoException): AppError {
  return new AppError("NODE_UNREACHABLE", `${host} does not answer at port ${port} (${cause.code ?? cause.message})`, {
    hint: "Check the address, and that the machine has an API: without an authority (ca.pem) nothing listens.",
    cause,
  });
}

function silent({ host, port }: TlsTarget, ms: number): AppError {
  return new AppError("NODE_SILENT", `${host} is reached at port ${port}, and has said nothing for ${ms / 1000} s`, {
    hint: "Try again: what answers there may be starting, or the machine is busy. Else check that the port is that of its API.",
  });
}
