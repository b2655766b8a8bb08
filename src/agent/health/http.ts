import type { HttpProbe } from "../../host/probe.ts";
import { failed, PASSED, type CheckOutcome } from "./check.ts";

/** A URL answers with a status that is healthy. @param status default 200 … 299 */
export async function checkHttp(
  probe: HttpProbe,
  url: string,
  status: readonly number[] | undefined,
  signal: AbortSignal,
): Promise<CheckOutcome> {
  const answer = await probe(url, { signal });
  if ("error" in answer) return failed(answer.error);
  const healthy = status ? status.includes(answer.status) : answer.status >= 200 && answer.status < 300;
  return healthy ? PASSED : failed(`answers with status ${answer.status}`);
}
