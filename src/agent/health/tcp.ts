import type { TcpProbe } from "../../host/probe.ts";
import { failed, PASSED, type CheckOutcome } from "./check.ts";

/** A port takes connections. */
export async function checkTcp(probe: TcpProbe, host: string, port: number, signal: AbortSignal): Promise<CheckOutcome> {
  const answer = await probe(host, port, { signal });
  return "error" in answer ? failed(answer.error) : PASSED;
}
