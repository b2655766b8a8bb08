import { KiB, type Bytes } from "../core/units.ts";
import { fileExists, readText } from "./files.ts";
import { httpClient, type HttpClientOptions } from "./http-client.ts";

const LIMIT_MS = 30_000;
/** Of an answer; what follows is not read. */
const LARGEST: Bytes = 64 * KiB;

/**
 * One POST of a JSON document, on a connection of its own, and the answer whatever its status. Redirects are not followed.
 *
 * @param means.authorities path of certificates (PEM) that are trusted besides the public ones; nothing where there is no such file
 * @throws NodeJS.ErrnoException, DOMException where no whole answer comes within half a minute, the signal's reason
 */
export async function postJson(
  url: string,
  body: object,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  {
    authorities,
    proxies = {},
  }: { readonly authorities?: string; readonly proxies?: NonNullable<HttpClientOptions["proxies"]> } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const ca = authorities !== undefined && (await fileExists(authorities)) ? { ca: await readText(authorities) } : {};
  using client = httpClient({ ...ca, proxies, stallMs: LIMIT_MS });
  const bytes = Buffer.from(JSON.stringify(body));
  const limited = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  const answer = await client.http({
    ...{ method: "POST", url, signal: limited },
    headers: { "content-type": "application/json", ...headers },
    body: {
      size: bytes.length,
      chunks: async function* () {
        yield await Promise.resolve(bytes);
      },
    },
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST) break;
  }
  return { status: answer.status, text: Buffer.concat(chunks).toString("utf8") };
}
