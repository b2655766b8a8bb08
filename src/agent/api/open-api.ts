/** The listener of the API: TLS, who is let in, and what they may call. docs/concepts/api.md */
import type { X509Certificate } from "node:crypto";
import { createContextValues, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  certificateOf,
  serveTls,
  type ListenAt,
  type TlsLimits,
  type TlsRequest,
  type TlsServer,
} from "../../host/tls-server.ts";
import { identityOf } from "../../pki/identity.ts";
import type { AskProgram } from "./ask-program.ts";
import { authorize, CALLER, type Caller } from "./authorize.ts";
import { CaptureService } from "../../protocol/petrify/v1/capture_pb.ts";
import { EventService } from "../../protocol/petrify/v1/event_pb.ts";
import { LogService } from "../../protocol/petrify/v1/log_pb.ts";
import { SystemService } from "../../protocol/petrify/v1/system_pb.ts";
import { registerCopyService } from "./copy-service.ts";
import { registerDebugService, type DebugTalk } from "./debug-service.ts";
import { registerControlService } from "./control-service.ts";
import { tellErrors } from "./errors.ts";
import { registerForwarding, type Dial } from "./forwarding-service.ts";
import { limitCalls, refuseExcess, type CallLimits } from "./limit-calls.ts";
import { registerLookedUp } from "./looked-up.ts";
import { registerNodeService, type NodeAnswers } from "./node-service.ts";
import { servePages, type Pages } from "./pages.ts";
import { registerOwnerService } from "./owner-service.ts";
import { registerReflection } from "./reflection.ts";
import { registerUpdatesService } from "./updates-service.ts";

export interface ApiOptions {
  readonly at: ListenAt;
  /** PEM. */
  readonly key: string;
  readonly certificate: string;
  readonly authorities: string;
  /** Callers' certificates of an epoch before it are revoked. */
  readonly epoch: number;
  readonly answers: NodeAnswers;
  /** The agent. */
  readonly ask: AskProgram;
  /** What it was opened with is another now, and the answer is on its way. */
  readonly outdated?: () => void;
  /** What there is besides the contract. */
  readonly pages?: Pages;
  /** Absent where no other machine is reached through this one. */
  readonly dial?: Dial;
  /** petrify-debug; absent where nothing starts containers. */
  readonly debug?: DebugTalk;
  /** Seconds since 1970. */
  readonly now: () => number;
  readonly log: (line: string) => void;
  readonly limits?: Partial<ApiLimits>;
  /** Once nobody has been connected for so many milliseconds. */
  readonly idle?: { readonly ms: number; readonly end: () => void };
}

type ApiLimits = TlsLimits & CallLimits;
/** Documented in docs/concepts/api.md. */
export const LIMITS: ApiLimits = {
  connections: 256,
  handshakeMs: 10_000,
  quietMs: 60_000,
  requestMs: 60_000,
  streams: 32,
  headerBytes: 16_384,
  calls: 64,
  callsOfOne: 32,
  lasting: 256,
};
/** Of a message in either direction, of what changes a machine: machine configs. */
const MESSAGE_BYTES = 1024 * 1024;
/** Of any other request. */
const REQUEST_BYTES = 128 * 1024;
/** The longest that a caller may ask us to work for one call. */
const CALL_MS = 24 * 3_600_000;

/** Of calls, whoever makes them. */
export const COMMON = {
  ...{ connect: true, grpc: true, grpcWeb: false },
  ...{ readMaxBytes: REQUEST_BYTES, writeMaxBytes: MESSAGE_BYTES, maxTimeoutMs: CALL_MS },
  // What unpacks to more than it says costs memory before anybody knows; messages are small.
  acceptCompression: [],
  // A key that is misspelled must not be one that was left out.
  jsonOptions: { ignoreUnknownFields: false },
};

/** For services with large requests. */
export const withLargeRequests = (router: ConnectRouter): ConnectRouter => ({
  ...router,
  service: (service, implementation) => router.service(service, implementation, { ...COMMON, readMaxBytes: MESSAGE_BYTES }),
});

export async function openApi(options: ApiOptions): Promise<TlsServer> {
  const { answers, ask, outdated = () => {}, dial, debug, pages = {}, now, log, epoch, authorities, ...tls } = options;
  const limits = { ...LIMITS, ...options.limits };
  const denied = (caller: string, what: string): void => log(`denied to ${caller}: ${what}`);
  const failed = (what: string, error: unknown): void => log(`${what} failed: ${(error as Error).stack ?? String(error)}`);
  const paths = new Map<string, boolean>();
  const gate = authorize(now, denied);
  const calls = connectNodeAdapter({
    routes: (router) => {
      const large = withLargeRequests(router);
      registerNodeService(router, answers, ask);
      registerLookedUp(router, SystemService, answers.look);
      registerControlService(large, ask);
      registerCopyService(router, ask, answers.look);
      if (dial) registerForwarding(router, dial, log);
      if (debug) registerDebugService(router, debug);
      registerLookedUp(router, LogService, answers.look);
      registerOwnerService(large, ask, outdated);
      registerLookedUp(router, CaptureService, answers.look);
      registerLookedUp(router, EventService, answers.look);
      registerUpdatesService(router, ask);
      registerReflection(router);
      for (const { method, requestPath } of router.handlers) paths.set(requestPath, method.methodKind !== "unary");
    },
    contextValues: (request) => limited.mark(request, createContextValues().set(CALLER, callerAt(request))),
    requestGate: (call) => {
      gate(call);
      refuseExcess(call);
    },
    interceptors: [tellErrors(failed)],
    ...COMMON,
  });
  const limited = limitCalls(
    limits,
    (path) => paths.get(path),
    (request) => callerAt(request)?.serial ?? "",
    servePages(pages, { callerOf: callerAt, now, denied, failed }, calls),
  );
  const admit = (certificate: X509Certificate): string | undefined => {
    const caller = callerOf(certificate);
    if (!caller) return "its certificate names nobody with a role";
    return caller.epoch < epoch ? `the certificate of ${caller.name} is revoked: epoch ${caller.epoch} is over` : undefined;
  };
  return await serveTls({
    ...tls,
    limits,
    handle: limited.handle,
    callers: { authorities, admit },
    refused: (address, why) => log(`refused ${address}: ${why}`),
  });
}

const callerAt = (request: TlsRequest): Caller | undefined => callerOf(certificateOf(request), request.socket.remoteAddress);

/** Of one connection it is the same certificate each time, and what it says takes long to find out. */
const holders = new WeakMap<X509Certificate, Omit<Caller, "address">>();

function callerOf(certificate: X509Certificate | undefined, address = ""): Caller | undefined {
  if (!certificate) return undefined;
  const holder = holders.get(certificate) ?? holderOf(certificate);
  if (!holder) return undefined;
  holders.set(certificate, holder);
  return { ...holder, address };
}

function holderOf(certificate: X509Certificate): Omit<Caller, "address"> | undefined {
  const identity = identityOf({ ...certificate.toLegacyObject().subject });
  if (!identity) return undefined;
  const [from, until] = [certificate.validFromDate, certificate.validToDate].map((date) => date.getTime() / 1000);
  return { ...identity, from: from!, until: until!, serial: certificate.serialNumber };
}
