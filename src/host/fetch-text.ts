import { createHash } from "node:crypto";
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import { withoutSecrets } from "./url-text.ts";

/** A server that says nothing for so long has none; whatever it sends is there by then, too. */
const LIMIT_MS = 30_000;
const MAX_REDIRECTS = 5;
const CHECKSUM = /^#sha256=([0-9a-f]{64})$/i;

class Refused extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`the server answers ${status}`);
    this.status = status;
  }
}
/** Whether the server has said that there is no such file. @param error of {@link fetchBytes} */
export const isNotThere = (error: unknown): boolean =>
  error instanceof AppError && error.cause instanceof Refused && [404, 410].includes(error.cause.status);

interface FetchOptions {
  readonly limit: Bytes;
  readonly signal: AbortSignal;
  /** They are secrets, and told to the first server only. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Until all of it has come; default: {@link LIMIT_MS}. */
  readonly limitMs?: number;
}

/**
 * A text from the web, as {@link fetchBytes} brings it.
 *
 * @throws as that does
 */
export const fetchText = async (url: string, limit: Bytes, signal: AbortSignal): Promise<string> =>
  Buffer.from(await fetchBytes(url, { limit, signal })).toString("utf8");

/**
 * A small file from the web. Redirects are followed, a few, and never from https to http.
 *
 * @param url http or https; behind `#sha256=` may stand what its bytes must come to
 * @throws AppError `FETCH_FAILED`: what is wrong now may be right later; `FETCH_TOO_LARGE`; `FETCH_MISMATCH`
 */
export async function fetchBytes(url: string, options: FetchOptions): Promise<Uint8Array> {
  const { signal, limitMs = LIMIT_MS } = options;
  try {
    const bytes = await bytesOf(url, { ...options, signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]) });
    requireChecksum(url, bytes);
    return bytes;
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AppError) throw cause;
    throw new AppError("FETCH_FAILED", `${withoutSecrets(url)} cannot be read: ${whyNot(cause, limitMs)}`, { cause });
  }
}

async function bytesOf(url: string, { limit, signal, headers = {} }: FetchOptions): Promise<Uint8Array> {
  let at = new URL(url);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const { address, authorization } = withoutUser(at);
    const own = at.origin === new URL(url).origin ? headers : {};
    const response = await fetch(address, { headers: { ...own, ...authorization }, signal, redirect: "manual" });
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      at = redirected(at, location);
      continue;
    }
    if (!response.ok) throw new Refused(response.status);
    return await wholeBody(response, url, limit);
  }
  throw new Error(`it leads on more than ${MAX_REDIRECTS} times`);
}

async function wholeBody(response: Response, url: string, limit: Bytes): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limit) throw new AppError("FETCH_TOO_LARGE", `${withoutSecrets(url)} has more than ${limit / KiB} KiB`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function redirected(from: URL, location: string): URL {
  const to = URL.parse(location, from);
  if (!to || !["http:", "https:"].includes(to.protocol)) throw new Error("it leads to what is no web address");
  if (from.protocol === "https:" && to.protocol === "http:") throw new Error("it leads from https to http");
  return to;
}

function requireChecksum(url: string, bytes: Uint8Array): void {
  const { hash } = new URL(url);
  if (hash === "") return;
  const wanted = CHECKSUM.exec(hash)?.[1]?.toLowerCase();
  if (wanted === undefined)
    throw new AppError("FETCH_MISMATCH", `what stands behind # in ${withoutSecrets(url)} is no checksum`, {
      hint: "Write #sha256= and 64 hexadecimal digits.",
    });
  const found = createHash("sha256").update(bytes).digest("hex");
  if (found === wanted) return;
  throw new AppError("FETCH_MISMATCH", `${withoutSecrets(url)} is another file than was meant: its SHA-256 is ${found}`, {
    hint: "Correct the checksum where the URL is named, if this file is the right one.",
  });
}

/** `fetch` takes no user from a URL. Source: RFC 7617 */
function withoutUser(url: URL): { readonly address: string; readonly authorization: Readonly<Record<string, string>> } {
  const [user, password] = [url.username, url.password].map(decodeURIComponent);
  if (!user && !password) return { address: url.href, authorization: {} };
  const address = new URL(url);
  address.username = address.password = "";
  const credentials = Buffer.from(`${user}:${password}`).toString("base64");
  return { address: address.href, authorization: { authorization: `Basic ${credentials}` } };
}

/** `fetch` says only that it failed; why is below. */
function whyNot(error: unknown, limitMs: number): string {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return `no whole answer within ${limitMs / 1000} s`;
  const inner = cause as (NodeJS.ErrnoException & { readonly errors?: readonly Error[] }) | undefined;
  return inner?.errors?.[0]?.message ?? inner?.message ?? message;
}
