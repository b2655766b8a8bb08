import { AppError } from "../core/error.ts";
import { KiB, type Bytes } from "../core/units.ts";
import { withoutSecrets } from "./url-text.ts";

/** A server that says nothing for so long has none. */
const LIMIT_MS = 30_000;

/**
 * A text from the web; redirects are followed.
 *
 * @throws AppError `FETCH_FAILED`: what is wrong now may be right later; `FETCH_TOO_LARGE`
 */
export async function fetchText(url: string, limit: Bytes, signal: AbortSignal): Promise<string> {
  try {
    const { address, headers } = withoutUser(url);
    const response = await fetch(address, { headers, signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]) });
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > limit) throw new AppError("FETCH_TOO_LARGE", `${withoutSecrets(url)} has more than ${limit / KiB} KiB`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AppError) throw cause;
    throw new AppError("FETCH_FAILED", `${withoutSecrets(url)} cannot be read: ${whyNot(cause)}`, { cause });
  }
}

/** `fetch` takes no user from a URL. Source: RFC 7617 */
function withoutUser(url: string): { readonly address: string; readonly headers: Readonly<Record<string, string>> } {
  const parsed = new URL(url);
  const [user, password] = [parsed.username, parsed.password].map(decodeURIComponent);
  if (!user && !password) return { address: url, headers: {} };
  parsed.username = parsed.password = "";
  return { address: parsed.href, headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` } };
}

/** `fetch` says only that it failed; why is below. */
function whyNot(error: unknown): string {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return `no answer within ${LIMIT_MS / 1000} s`;
  const inner = cause as (NodeJS.ErrnoException & { readonly errors?: readonly Error[] }) | undefined;
  return inner?.errors?.[0]?.message ?? inner?.message ?? message;
}
