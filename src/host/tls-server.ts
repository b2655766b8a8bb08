import type { X509Certificate } from "node:crypto";
import {
  constants,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { cannotListen } from "./cannot-listen.ts";
import { certificatesIn } from "./certificates.ts";
import { watchIdle, type Idle } from "./watch-idle.ts";

export type TlsRequest = IncomingMessage | Http2ServerRequest;
export type TlsHandler = (request: TlsRequest, response: ServerResponse | Http2ServerResponse) => void;

/** Where a server listens: a socket that is open already, as systemd hands it over, or an address. */
export type ListenAt = { readonly fd: number } | { readonly host: string; readonly port: number };

export interface TlsServerOptions {
  readonly at: ListenAt;
  /** PEM, both. */
  readonly key: string;
  readonly certificate: string;
  /**
   * Absent where everybody is let in, and nobody asked for a certificate. `unjudged`: everybody is, also with a certificate that is over or of nobody in
   * particular; whoever shows one has its key, and who handles requests judges it.
   */
  readonly callers?: TlsCallers | "unjudged";
  readonly handle: TlsHandler;
  /** A caller that did not get as far as a request. @param why the end of a sentence: "it has no certificate" */
  readonly refused: (address: string, why: string) => void;
  readonly limits: TlsLimits;
  /** A server without it waits for ever. */
  readonly idle?: Idle;
}
/** Who may call. */
export interface TlsCallers {
  /** PEM; callers have certificates of one of them. */
  readonly authorities: string;
  /**
   * Why somebody is not let in whose certificate is good: the end of a sentence; nothing for who is. A certificate of an authority that is not valid yet is
   * good in this sense, so that somebody can be told that the clock is wrong: whoever serves requests looks at its time.
   */
  readonly admit: (certificate: X509Certificate) => string | undefined;
}
/** What callers may take of the machine. */
export interface TlsLimits {
  readonly connections: number;
  /** Until a connection has to be past its handshake, however its bytes come; milliseconds. */
  readonly handshakeMs: number;
  /** Until the head of a request has to be whole, and until a connection without a request is closed; milliseconds. */
  readonly quietMs: number;
  /** Until a whole request has to be there, of HTTP/1.1; milliseconds. */
  readonly requestMs: number;
  /** Calls at a time on one connection. */
  readonly streams: number;
  /** Of a request, in bytes. */
  readonly headerBytes: number;
}

export interface TlsServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves HTTP/2 and HTTP/1.1 over TLS 1.3. Where callers need a certificate of one of the authorities, others are cut off before their first request is
 * read.
 */
export async function serveTls(options: TlsServerOptions): Promise<TlsServer> {
  const { at, key, certificate, callers, handle, refused, limits } = options;
  const server = createSecureServer(
    {
      ...{ key, cert: certificate, minVersion: "TLSv1.3" },
      // Node would cut them off without a word on who they were: see admitKnown.
      ...(callers ? { requestCert: true, rejectUnauthorized: false } : {}),
      // Without any, Node would take the public ones.
      ...(callers ? { ca: callers === "unjudged" ? certificate : callers.authorities } : {}),
      ...{ allowHTTP1: true, handshakeTimeout: limits.handshakeMs },
      // Who has vanished while a call of theirs waits would else be waited for for ever.
      ...{ keepAlive: true, keepAliveInitialDelay: VANISHED_MS },
      settings: { maxConcurrentStreams: limits.streams, maxHeaderListSize: limits.headerBytes, enablePush: false },
      maxSessionMemory: 2, // megabytes
      maxSessionInvalidFrames: 10,
      maxSessionRejectedStreams: 10,
      // These are for HTTP/1.1; the compiler knows them of another server only.
      ...{ maxHeaderSize: limits.headerBytes, keepAliveTimeout: limits.quietMs },
      ...{ connectionsCheckingInterval: Math.min(LOOK_MS, limits.quietMs) },
    },
    (request, response) => {
      endUnread(request);
      if (hasAddress(request)) return handle(request, response);
      response.statusCode = 400;
      response.end();
    },
  );
  server.maxConnections = limits.connections;
  Object.assign(server, { headersTimeout: limits.quietMs, requestTimeout: limits.requestMs });
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    refused(addressOf(socket), whyFailed(error));
    socket.destroy();
  });
  if (callers && callers !== "unjudged") admitKnown(server, callers, refused);
  server.on("session", (session) => closeWhenQuiet(session, limits.quietMs));
  server.on("sessionError", () => {}); // what a caller has sent is no HTTP/2: its session is over, and that is all
  const sockets = openSockets(server);
  if (options.idle) watchIdle(server, options.idle);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen("fd" in at ? { fd: at.fd } : { host: at.host, port: at.port }, resolve);
  }).catch((cause: unknown) => {
    if ("fd" in at) throw cause;
    throw cannotListen(at.host, at.port, cause as NodeJS.ErrnoException);
  });
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** After so much silence the system asks whether the other side is still there, and gives up after some ten minutes. Source: tcp(7). Milliseconds */
const VANISHED_MS = 60_000;
/** How often slow requests of HTTP/1.1 are looked for; milliseconds. */
const LOOK_MS = 5000;

type Server = ReturnType<typeof createSecureServer>;

/**
 * Whether what is asked for makes an address together with whom it is asked of: whoever serves requests takes that for granted, and ends with the program
 * where it is not so. Source: RFC 9110, section 7.2; RFC 9113, section 8.3.1
 */
function hasAddress(request: TlsRequest): boolean {
  const authority = ("stream" in request ? request.headers[":authority"] : undefined) ?? request.headers.host;
  return authority !== undefined && authority !== "" && URL.canParse(request.url ?? "", `https://${authority}`);
}

/** Milliseconds. */
const ANSWER_ARRIVES = 1000;

/**
 * What is still to come of a request that has its answer is dropped, and soon not even taken. Source: RFC 9113, section 8.1
 *
 * Not at once: a stream that is reset may lose the answer that is on its way.
 */
function endUnread(request: TlsRequest): void {
  if (!("stream" in request)) return;
  const { stream } = request;
  stream.once("finish", () => {
    if (request.complete) return;
    stream.resume();
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), ANSWER_ARRIVES);
    stream.once("close", () => clearTimeout(timer));
  });
}

/** Ends a request without an answer. @param untouched nothing of it was done, and it may be sent again. Source: RFC 9113, section 8.7 */
export function cutOff(request: TlsRequest, untouched = false): void {
  if ("stream" in request) request.stream.close(untouched ? constants.NGHTTP2_REFUSED_STREAM : constants.NGHTTP2_CANCEL);
  else request.destroy();
}

/** Of callers, by connection. Node makes another object of it whenever it is asked, which takes longer than many a call. */
const certificates = new WeakMap<object, X509Certificate>();

/** The certificate that a request came with: there always is one where callers need one, since nobody gets here without. */
export function certificateOf(request: TlsRequest): X509Certificate | undefined {
  const connection = "stream" in request ? request.stream.session : request.socket;
  if (!connection) return undefined;
  const known = certificates.get(connection);
  if (known) return known;
  const socket = ("socket" in connection ? connection.socket : connection) as TLSSocket;
  const shown = socket.getPeerX509Certificate();
  if (shown) certificates.set(connection, shown);
  return shown;
}

const addressOf = (socket: Pick<Socket, "remoteAddress">): string => socket.remoteAddress ?? "somebody";

/** Why OpenSSL does not take a certificate. Source: openssl-verification-options(1), X509_verify_cert_error_string(3) */
const REASONS: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is of an authority that is not accepted here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is of an authority that is not accepted here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is of an authority that is not accepted here",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is of an authority that is not accepted here",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is of no authority",
  CERT_SIGNATURE_FAILURE: "its certificate has a signature that is not the authority's",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet, and of an authority that is not accepted here",
  INVALID_PURPOSE: "its certificate is not one for calling machines",
};

/** The only way from a handshake to a request. */
function admitKnown(server: Server, { admit, authorities }: TlsCallers, refused: TlsServerOptions["refused"]): void {
  const accepted = certificatesIn(authorities);
  const [serve] = server.listeners("secureConnection");
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket) => {
    const certificate = socket.getPeerX509Certificate();
    const isEarly = certificate !== undefined && isNotYet(socket) && isOfOne(certificate, accepted);
    const doubt = isEarly ? undefined : whyUnknown(socket);
    const why = certificate ? (doubt ?? admit(certificate)) : "it has no certificate";
    if (why !== undefined) {
      refused(addressOf(socket), why);
      socket.destroy();
      return;
    }
    const keep = (connection: object): void => void certificates.set(connection, certificate!);
    keep(socket);
    // Of HTTP/2 requests have a session in place of a socket, and it begins here.
    server.once("session", keep);
    Reflect.apply(serve!, server, [socket]);
    server.off("session", keep);
  });
}

const isNotYet = ({ authorized, authorizationError }: TLSSocket): boolean =>
  !authorized && String(authorizationError) === "CERT_NOT_YET_VALID";

/** What OpenSSL has found last need not be all that it has found. */
const isOfOne = (certificate: X509Certificate, authorities: readonly X509Certificate[]): boolean =>
  authorities.some((one) => certificate.checkIssued(one) && certificate.verify(one.publicKey));

function whyUnknown({ authorized, authorizationError }: TLSSocket): string | undefined {
  if (authorized) return undefined;
  const code = String(authorizationError); // its types say Error
  return REASONS[code] ?? `its certificate is refused: ${code}`;
}

/** Why a handshake fails, by Node's codes. */
const FAILURES: Readonly<Record<string, string>> = {
  ERR_SSL_HTTP_REQUEST: "it speaks HTTP without TLS",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "it speaks no TLS as new as 1.3",
  ERR_TLS_HANDSHAKE_TIMEOUT: "its handshake took too long",
  ECONNRESET: "it went away during the handshake",
};

const whyFailed = ({ code = "", message }: NodeJS.ErrnoException): string =>
  FAILURES[code] ?? `its handshake failed: ${code || message}`;

/** A session without a call is closed; one with a call that says nothing for a while is not. */
function closeWhenQuiet(session: ServerHttp2Session, ms: number): void {
  let calls = 0;
  session.on("stream", (stream) => {
    calls++;
    stream.once("close", () => calls--);
  });
  session.setTimeout(ms, () => {
    if (calls === 0) session.destroy();
  });
}

function openSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}
