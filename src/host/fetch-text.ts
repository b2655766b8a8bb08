import { createHash } from "node:crypto";
import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import { withoutSecrets } from "./url-text.ts";
import { AnswerRefused, webAnswer } from "./web-answer.ts";

/** A server that says nothing for so long has none; whatever it sends is there by then, too. */
const LIMIT_MS = 30_000;
const CHECKSUM = /^#sha256=([0-9a-f]{64})$/i;

/** Whether the server has said that there is no such file. @param error of {@link fetchBytes} */
export const isNotThere = (error: unknown): boolean =>
  error instanceof AppError && error.cause instanceof AnswerRefused && [404, 410].includes(error.cause.status);

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
 * A small file from the web, as {@link webAnswer} finds it.
 *
 * @param url http or https; behind `#sha256=` may stand what its bytes must come to
 * @throws AppError `FETCH_FAILED`: what is wrong now may be right later; `FETCH_TOO_LARGE`; `FETCH_MISMATCH`
 */
export async function fetchBytes(url: string, options: FetchOptions): Promise<Uint8Array> {
  const { limit, signal, headers = {}, limitMs = LIMIT_MS } = options;
  try {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const bytes = await wholeBody(await webAnswer(url, { headers, signal: limited }), url, limit);
    requireChecksum(url, bytes);
    return bytes;
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AppError) throw cause;
    throw new AppError("FETCH_FAILED", `${withoutSecrets(url)} cannot be read: ${whyNot(cause, limitMs)}`, { cause });
  }
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

/** `fetch` says only that it failed; why is below. */
function whyNot(error: unknown, limitMs: number): string {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return `no whole answer within ${limitMs / 1000} s`;
  const inner = cause as (NodeJS.ErrnoException & { readonly errors?: readonly Error[] }) | undefined;
  return inner?.errors?.[0]?.message ?? inner?.message ?? message;
}
