import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { getCACertificates } from "node:tls";
import { KiB, type Bytes } from "../core/units.ts";

export interface HttpBody {
  readonly size: Bytes;
  /** From the first byte on, each time that it is called. */
  readonly chunks: () => AsyncIterable<Uint8Array>;
}
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH";
  /** `http:` or `https:`. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
  /** How long the answer's first byte may take once everything was sent; default: {@link HttpClientOptions.stallMs}. */
  readonly answerMs?: number;
  readonly signal?: AbortSignal | undefined;
}
export interface HttpResponse {
  readonly status: number;
  /** @param name lower case */
  readonly header: (name: string) => string | undefined;
  /** As it comes: nothing is read from the connection that nobody asked for. Once. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up what was not read. */
  readonly discard: () => void;
}
/** One request and its answer, whatever its status; nothing is followed, and nothing tried twice. @throws NodeJS.ErrnoException, the signal's reason */
export type Http = (request: HttpRequest) => Promise<HttpResponse>;

export interface HttpClientOptions {
  /** Certificates, PEM, of authorities that are trusted besides the public ones. */
  readonly ca?: string;
  /** As in HTTP_PROXY, HTTPS_PROXY and NO_PROXY; default: none. */
  readonly proxies?: { readonly http?: string; readonly https?: string; readonly none?: string };
  /** Milliseconds of waiting in which at least {@link LEAST} bytes have to come or go; default: a minute. */
  readonly stallMs?: number;
}
export interface HttpClient extends Disposable {
  readonly http: Http;
}

const STALL_MS = 60_000;
/** A server that sends a byte now and then would else be waited for until it has sent all of them. */
const LEAST: Bytes = 4 * KiB;

const SHORT: Bytes = 64 * KiB;

/** `code` of the error of a connection on which too little comes or goes. */
const STALLED = "ESTALLED";

/** HTTP over connections that are kept until the scope ends. */
export function httpClient({ ca, proxies = {}, stallMs = STALL_MS }: HttpClientOptions = {}): HttpClient {
  const { http: plain, https, none } = proxies;
  const proxyEnv = {
    ...(plain === undefined ? {} : { HTTP_PROXY: plain }),
    ...(https === undefined ? {} : { HTTPS_PROXY: https }),
    ...(none === undefined ? {} : { NO_PROXY: none }),
  };
  const common = { keepAlive: true, proxyEnv };
  const agents = {
    http: new HttpAgent(common),
    https: new HttpsAgent({ ...common, ...(ca === undefined ? {} : { ca: [...getCACertificates("default"), ca] }) }),
  };
  return {
    http: async (request) => await exchange(request, agents, stallMs),
    [Symbol.dispose]: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

async function exchange(
  { method, url, headers, body, answerMs, signal }: HttpRequest,
  agents: { readonly http: HttpAgent; readonly https: HttpsAgent },
  stallMs: number,
): Promise<HttpResponse> {
  signal?.throwIfAborted();
  const secure = url.startsWith("https:");
  const length = body === undefined ? (method === "POST" || method === "PUT" ? 0 : undefined) : body.size;
  const call = (secure ? httpsRequest : httpRequest)(url, {
    method,
    agent: secure ? agents.https : agents.http,
    headers: { "accept-encoding": "identity", ...headers, ...(length === undefined ? {} : { "content-length": length }) },
    ...(signal ? { signal } : {}),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    call.once("response", resolve);
    call.on("error", reject); // more than one may come
  });
  answered.catch(() => {}); // it is waited for below
  try {
    if (body) await sendBody(call, body, answered, stallMs);
    else call.end();
    const response = await within(answerMs ?? stallMs, answered, (error) => call.destroy(error));
    return {
      status: response.statusCode ?? 0,
      header: (name) => {
        const value = response.headers[name];
        return Array.isArray(value) ? value.join(", ") : value;
      },
      body: bodyOf(response, stallMs, signal),
      // What is left of a short answer is read, so that the connection can be used again.
      discard: () => void (isShort(method, response) ? response.resume() : response.destroy()),
    };
  } catch (error) {
    call.destroy();
    signal?.throwIfAborted();
    throw error;
  }
}

/** Stops where the server answers before it has everything, as it does when it refuses. */
async function sendBody(
  call: ClientRequest,
  { size, chunks }: HttpBody,
  answered: Promise<unknown>,
  stallMs: number,
): Promise<void> {
  let over = false;
  const ended = answered.then(
    () => void (over = true),
    () => void (over = true),
  );
  let sent = 0;
  for await (const chunk of chunks()) {
    if (over) return;
    sent += chunk.length;
    if (sent > size) throw new Error(`there are more than the ${size} bytes that were announced`);
    if (call.write(chunk)) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    call.once("drain", resolve);
    await within(stallMs, Promise.race([promise, ended]), (error) => call.destroy(error));
    call.off("drain", resolve);
  }
  if (over) return;
  if (sent < size) throw new Error(`there are ${sent} of the ${size} bytes that were announced`);
  call.end();
}

async function* bodyOf(response: IncomingMessage, stallMs: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const chunks = (response as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  // Only waiting counts, not what is done with the bytes in between.
  let waited = 0;
  let came = 0;
  try {
    for (;;) {
      const since = performance.now();
      const { done, value } = await within(Math.max(1, stallMs - waited), chunks.next(), (error) => response.destroy(error));
      if (done) return;
      waited += performance.now() - since;
      came += value.length;
      if (came >= LEAST) waited = came = 0;
      yield value;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    response.destroy();
  }
}

function isShort(method: string, { statusCode, headers }: IncomingMessage): boolean {
  return method === "HEAD" || statusCode === 204 || Number(headers["content-length"] ?? Number.NaN) <= SHORT;
}

async function within<T>(ms: number, promise: Promise<T>, stop: (error: Error) => void): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const error = Object.assign(new Error("too little came in the time that it was waited for"), { code: STALLED });
    reject(error);
    stop(error);
  }, ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
