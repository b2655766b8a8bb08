/** A connection to a machine that nobody owns yet. docs/concepts/pki.md */
import { createClient, type Client } from "@connectrpc/connect";
import { connectTls, type ShownIdentity, type TlsTarget } from "../host/tls-client.ts";
import { EnrolmentService } from "../protocol/petrify/v1/enrolment_pb.ts";
import { transportOver } from "./open-node.ts";
import { judgeKey } from "./trust.ts";

export interface MaintenanceConnection extends AsyncDisposable {
  readonly enrolment: Client<typeof EnrolmentService>;
  /** What it has shown of itself: that it has the key is proven. */
  readonly shown: ShownIdentity;
}

/**
 * @param fingerprint of its key; absent for a first look, which believes whoever answers
 * @throws AppError `NODE_UNREACHABLE`, `NODE_SILENT`, `NODE_KEY_DIFFERS`
 */
export async function openMaintenance(
  { name, ...target }: TlsTarget & { readonly name: string },
  fingerprint: string | undefined,
  signal: AbortSignal,
): Promise<MaintenanceConnection> {
  let shown: ShownIdentity | undefined;
  const trust = (one: ShownIdentity): void => {
    if (fingerprint !== undefined) judgeKey(name, one.fingerprint, fingerprint);
    shown = one;
  };
  const socket = await connectTls(target, undefined, trust, signal);
  const { transport, end } = transportOver(socket, target);
  return { enrolment: createClient(EnrolmentService, transport), shown: shown!, [Symbol.asyncDispose]: end };
}
