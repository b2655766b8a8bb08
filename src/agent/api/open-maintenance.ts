/** The listener of a machine that nobody owns yet: anybody may give it an owner, and nothing else. docs/concepts/pki.md */
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { serveTls, type TlsServer } from "../../host/tls-server.ts";
import { strangersOnly } from "./authorize.ts";
import { registerEnrolmentService, type EnrolmentAnswers } from "./enrolment-service.ts";
import { tellErrors } from "./errors.ts";
import { COMMON, LIMITS, type ApiOptions } from "./open-api.ts";

export interface MaintenanceOptions extends Pick<ApiOptions, "at" | "key" | "certificate" | "log" | "limits" | "idle"> {
  readonly answers: EnrolmentAnswers;
  /** The machine has an owner now, and the answer is on its way. */
  readonly enrolled: () => void;
}

/** Connections at a time. Documented in docs/concepts/api.md. */
const STRANGERS = 32;

export async function openMaintenance(options: MaintenanceOptions): Promise<TlsServer> {
  const { answers, enrolled, log, limits, ...tls } = options;
  const handle = connectNodeAdapter({
    routes: (router) => registerEnrolmentService(router, answers, enrolled),
    interceptors: [tellErrors((what, error) => log(`${what} failed: ${(error as Error).stack ?? String(error)}`)), strangersOnly],
    ...COMMON,
  });
  return await serveTls({
    ...tls,
    limits: { ...LIMITS, connections: STRANGERS, ...limits },
    handle,
    refused: (address, why) => log(`refused ${address}: ${why}`),
  });
}
