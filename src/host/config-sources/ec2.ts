/** The metadata service of Amazon EC2 and of clouds that have one like it. Source: Amazon EC2, "Instance metadata and user data" */
import { AppError } from "../../core/error.ts";
import { KiB, type Bytes } from "../../core/units.ts";
import { MACHINE_CONFIG_LIMIT } from "../../layout/machine-config-place.ts";

export interface Ec2Answer {
  readonly instance?: string;
  readonly hostname?: string;
  /** Public keys, lines of OpenSSH. */
  readonly keys: readonly string[];
  /** As somebody wrote it. Secret. */
  readonly userData?: Uint8Array;
}

/** Reached from the machine itself, and by nobody beyond. */
export const EC2_HOST = "169.254.169.254";
const ADDRESS = `http://${EC2_HOST}`;
const LIMIT_MS = 20_000;
const TOKEN_SECONDS = 60;
const MAX_VALUE: Bytes = 16 * KiB;
const MAX_KEYS = 50;
/** Services without sessions refuse to begin one. */
const NO_SESSIONS = [400, 403, 404, 405, 501];

/**
 * All that a machine wants to know: with a session (IMDSv2), without one where the service has none. No redirect is followed.
 *
 * @throws AppError `FETCH_FAILED`; the signal's reason when aborted
 */
export async function askEc2(signal: AbortSignal, address = ADDRESS): Promise<Ec2Answer> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  try {
    const token = await beginSession(address, limited);
    const headers = token === undefined ? {} : { "X-aws-ec2-metadata-token": token };
    const get = async (path: string, limit = MAX_VALUE): Promise<Uint8Array | undefined> => {
      const response = await fetch(`${address}/latest/${path}`, { headers, signal: limited, redirect: "error" });
      if (response.ok) return await bodyOf(response, limit);
      await response.body?.cancel();
      if (response.status === 404) return undefined;
      throw new Error(`it answers ${response.status}`);
    };
    const text = async (path: string): Promise<string | undefined> => {
      const bytes = await get(`meta-data/${path}`);
      return bytes && Buffer.from(bytes).toString("utf8").trim();
    };
    const instance = await text("instance-id");
    const hostname = await text("local-hostname");
    const userData = await get("user-data", MACHINE_CONFIG_LIMIT + 1);
    return {
      ...(instance ? { instance } : {}),
      ...(hostname ? { hostname } : {}),
      keys: await keysOf(text),
      ...(userData ? { userData } : {}),
    };
  } catch (cause) {
    signal.throwIfAborted();
    throw new AppError("FETCH_FAILED", `the metadata service of EC2 cannot be read: ${whyNot(cause)}`, { cause });
  }
}

async function beginSession(address: string, signal: AbortSignal): Promise<string | undefined> {
  const headers = { "X-aws-ec2-metadata-token-ttl-seconds": `${TOKEN_SECONDS}` };
  const response = await fetch(`${address}/latest/api/token`, { method: "PUT", headers, signal, redirect: "error" });
  if (response.ok)
    return Buffer.from(await bodyOf(response, MAX_VALUE))
      .toString("latin1")
      .trim();
  await response.body?.cancel();
  if (NO_SESSIONS.includes(response.status)) return undefined;
  throw new Error(`it answers ${response.status}`);
}

/** `0=name` a line, each with its key below. */
async function keysOf(text: (path: string) => Promise<string | undefined>): Promise<string[]> {
  const names = (await text("public-keys/")) ?? "";
  const keys: string[] = [];
  for (const line of names.split("\n").slice(0, MAX_KEYS)) {
    const number = /^(\d{1,4})=/.exec(line.trim())?.[1];
    const key = number === undefined ? undefined : await text(`public-keys/${number}/openssh-key`);
    if (key) keys.push(key);
  }
  return keys;
}

async function bodyOf(response: Response, limit: Bytes): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limit) throw new Error(`it says more than ${Math.floor(limit / KiB)} KiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function whyNot(error: unknown): string {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return `no answer within ${LIMIT_MS / 1000} s`;
  return (cause as Error | undefined)?.message ?? message;
}
