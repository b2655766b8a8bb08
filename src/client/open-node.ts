/** A connection to one machine, with the typed client of its API. docs/concepts/api.md */
import type { Duplex } from "node:stream";
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Client, type Transport } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { AppError } from "../core/error.ts";
import { http2Calls } from "../host/http2-calls.ts";
import { connectTls, type ShownIdentity, type TlsCredentials, type TlsTarget } from "../host/tls-client.ts";
import { shortLine } from "../layout/short-line.ts";
import { NodeService } from "../protocol/petrify/v1/node_pb.ts";
import { judgeMachine } from "./trust.ts";

export interface NodeTarget extends TlsTarget {
  /** As the caller knows it. */
  readonly name: string;
  /** Of its key: `SHA256:…`; absent where an authority has to vouch for it. */
  readonly fingerprint?: string;
}
export interface NodeConnection extends AsyncDisposable {
  /** What the machine has shown of itself. */
  readonly shown: ShownIdentity;
  readonly node: Client<typeof NodeService>;
  /** The typed client of any service of the machine. */
  readonly client: <Service extends DescService>(service: Service) => Client<Service>;
}

/** What a machine that works answers in, though it has to start a program for that, and is slow, as its line is; milliseconds. Documented in docs/concepts/api.md. */
const UNARY_MS = 60_000;
/** Far more than a machine takes or sends at once. */
const MESSAGE_BYTES = 16 * 1024 * 1024;

/**
 * @param warn about something that keeps nobody from going on: the end of a sentence
 * @param through what leads to the machine, where it is not reached directly
 * @throws AppError `NODE_UNREACHABLE`, `NODE_SILENT`, `NODE_UNKNOWN`, `NODE_KEY_DIFFERS`
 */
export async function openNode(
  target: NodeTarget,
  credentials: TlsCredentials,
  warn: (why: string) => void,
  signal: AbortSignal,
  through?: Duplex,
): Promise<NodeConnection> {
  const { name, host, port, fingerprint } = target;
  let shown: ShownIdentity | undefined;
  const trust = (one: ShownIdentity): void => {
    const warning = judgeMachine(name, one, fingerprint);
    if (warning !== undefined) warn(warning);
    shown = one;
  };
  const socket = await connectTls({ host, port }, credentials, trust, signal, through);
  const { transport, end } = transportOver(socket, { host, port });
  return {
    shown: shown!,
    node: createClient(NodeService, transport),
    client: (service) => createClient(service, transport),
    [Symbol.asyncDispose]: end,
  };
}

/** What calls go over on a connection. */
export function transportOver(
  socket: Awaited<ReturnType<typeof connectTls>>,
  { host, port }: TlsTarget,
): { readonly transport: Transport; readonly end: () => Promise<void> } {
  const url = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const calls = http2Calls(url, socket);
  return {
    transport: createTransport({
      ...{ baseUrl: url, httpClient: calls.request, useBinaryFormat: true, interceptors: [] },
      ...{ acceptCompression: [], sendCompression: null, compressMinBytes: 0 },
      ...{ readMaxBytes: MESSAGE_BYTES, writeMaxBytes: MESSAGE_BYTES },
    }),
    end: async () => await calls[Symbol.asyncDispose](),
  };
}

/** Options of a call that is answered at once. */
export const unary = (signal: AbortSignal): { readonly signal: AbortSignal; readonly timeoutMs: number } => ({
  ...{ signal, timeoutMs: UNARY_MS },
});

/** What a call has failed with, as whoever made it can use it. @param node as the caller knows it */
export function callError(node: string, error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  const [message = "", hint] = error.rawMessage.split("\nhint: ").map(shortLine);
  const code = error.metadata.get("error-code");
  if (code !== null && /^[A-Z][A-Z0-9_]{0,63}$/.test(code))
    return new AppError(code, message, { ...(hint === undefined ? {} : { hint }), cause: error });
  const [known, why, remedy] = FAILURES[error.code] ?? HUNG_UP;
  return new AppError(known, why(node, message), { ...(remedy === undefined ? {} : { hint: remedy }), cause: error });
}

/** Seconds since 1970: the clock of a machine that refuses a certificate because it is not valid yet there. */
export function nodeClockOf(error: unknown): number | undefined {
  if (!(error instanceof ConnectError) || error.metadata.get("error-code") !== "NODE_CLOCK_NOT_SET") return undefined;
  const time = Date.parse(error.metadata.get("date") ?? "") / 1000;
  return Number.isFinite(time) ? time : undefined;
}

type Failure = readonly [code: string, why: (node: string, message: string) => string, hint?: string];

const FAILURES: Readonly<Partial<Record<Code, Failure>>> = {
  [Code.Unauthenticated]: ["NOT_PERMITTED", (_, message) => message],
  [Code.PermissionDenied]: ["NOT_PERMITTED", (_, message) => message],
  [Code.Unimplemented]: ["NODE_TOO_OLD", (node) => `${node} does not know this call`, "Upgrade the machine."],
  [Code.ResourceExhausted]: ["NODE_BUSY", (node, message) => `${node}: ${message}`, "Try again later."],
  [Code.DeadlineExceeded]: ["NODE_SILENT", (node) => `${node} does not answer in time`, "Try again: the machine may be busy."],
  [Code.Internal]: ["NODE_FAILED", (node, message) => `${node}: ${message}`, "Its journal has more: unit petrify-api."],
  [Code.InvalidArgument]: ["NODE_FAILED", (node, message) => `${node}: ${message}`, "Its petrify may be older than this one."],
};
/** A machine that restarts is there again, and so is a line that was down: what it was asked may have arrived, or not. */
const LOST: ReadonlySet<string> = new Set(["NODE_HUNG_UP", "NODE_SILENT", "NODE_UNREACHABLE", "AGENT_UNREACHABLE"]);
/** @param error of {@link callError} */
export const isLost = (error: unknown): error is AppError => error instanceof AppError && LOST.has(error.code);

/** A client is through with the handshake of TLS 1.3 before the machine has seen its certificate. */
const HUNG_UP: Failure = [
  "NODE_HUNG_UP",
  (node, message) => `${node} closed the connection before it answered (${message})`,
  "It does so where it does not accept a certificate, and says why in its journal: unit petrify-api.",
];
