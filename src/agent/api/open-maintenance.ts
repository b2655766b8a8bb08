/** The listener of a machine that nobody owns yet: anybody may give it an owner, and nothing else. docs/concepts/pki.md */
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { serveTls, type TlsServer } from "../../host/tls-server.ts";
import { strangersOnly } from "./authorize.ts";
import { registerEnrolmentService, type EnrolmentAnswers } from "./enrolment-service.ts";
import { tellErrors } from "./errors.ts";
import { limitCalls, refuseExcess } from "./limit-calls.ts";
import { COMMON, LIMITS, withLargeRequests, type ApiOptions } from "./open-api.ts";

export interface MaintenanceOptions extends Pick<ApiOptions, "at" | "key" | "certificate" | "log" | "limits" | "idle"> {
  readonly answers: EnrolmentAnswers;
  /** The machine has an owner now, and the answer is on its way. */
  readonly enrolled: () => void;
}

/** Connections at a time. Documented in docs/concepts/api.md. */
const STRANGERS = 32;

export async function openMaintenance(options: MaintenanceOptions): Promise<TlsServer> {
  const { answers, enrolled, log, ...tls } = options;
  const limits = { ...LIMITS, connections: STRANGERS, ...options.limits };
  const calls = connectNodeAdapter({
    routes: (router) => registerEnrolmentService(withLargeRequests(router), answers, enrolled),
    contextValues: (request) => limited.mark(request, createContextValues()),
    requestGate: (call) => {
      strangersOnly(call);
      refuseExcess(call);
    },
    interceptors: [tellErrors((what, error) => log(`${what} failed: ${(error as Error).stack ?? String(error)}`))],
    ...COMMON,
  });
  const limited = limitCalls(
    limits,
    () => false,
    (request) => request.socket.remoteAddress ?? "",
    calls,
  );
  return await serveTls({
    ...tls,
    limits,
    handle: limited.handle,
    refused: (address, why) => log(`refused ${address}: ${why}`),
  });
}
