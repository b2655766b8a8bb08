import * as z from "zod";
import { AppError } from "../core/error.ts";
import type { Http, HttpBody, HttpRequest, HttpResponse } from "../host/http-client.ts";
import { authorizer } from "./authorize.ts";
import type { Credentials } from "./docker-config.ts";
import { invalidAnswer, lastingFailure, StoreError, storeError, whyNot, type StoreErrorCode } from "./errors.ts";
import { readDocument } from "./read-document.ts";
import { parseRetryAfter, PASSING, retryDelay } from "./retry.ts";

export interface ExchangeContext {
  readonly http: Http;
  /** Called once, and only when the registry asks who it is. */
  readonly credentials: (signal: AbortSignal | undefined) => Promise<Credentials | undefined>;
  /** In [0, 1). */
  readonly random: () => number;
  /** Milliseconds since anything that stays. */
  readonly now: () => number;
  /** @throws the signal's reason */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  /** How often something is tried that may go well another time; default 6, which takes a minute at most where the server asks for no more. */
  readonly tries?: number;
}

export interface Ask {
  readonly method: HttpRequest["method"];
  /** Absolute, or a path of the registry. */
  readonly url: string;
  /** `repository:NAME:pull` …, with spaces between several. */
  readonly scope: string;
  /** What it is, for messages: `tag v1`. */
  readonly what: string;
  /** Statuses that are an answer. */
  readonly ok: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
  readonly answerMs?: number;
  /** Default true. */
  readonly again?: boolean;
  /** Codes of errors that may be other ones later, besides the statuses that may. Source: OCI Distribution Specification 1.1, "Error Codes" */
  readonly passing?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}
export interface Answer extends HttpResponse {
  /** Where the answer came from in the end. */
  readonly url: string;
}

/** What registries are asked through: who asks, where it is sent on to, and when it is tried again. */
export interface Exchange {
  /** @throws StoreError, the signal's reason */
  readonly send: (ask: Ask) => Promise<Answer>;
  /** The same, and its body. @throws StoreError, the signal's reason */
  readonly document: (ask: Ask, limit: number) => Promise<{ readonly answer: Answer; readonly bytes: Uint8Array }>;
  /** Where a `Location` or a `Link` leads. @throws StoreError `REGISTRY_INVALID` where that is no place for a request */
  readonly resolve: (target: string | undefined, from: string) => string;
  /** Goes on after a failure that may pass. @throws StoreError when `failures` were too many */
  readonly pause: (failures: number, what: string, error: unknown, signal: AbortSignal | undefined) => Promise<void>;
}

const TRIES = 6;
const MOST_REDIRECTS = 5;
/** A token that was kept may have ended, and the next one may be another request's. */
const MOST_CHALLENGES = 2;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** A status that may be another one later. */
class Passing extends Error {
  readonly status: number;
  readonly asked: number | undefined;
  readonly said: string;
  constructor(status: number, asked: number | undefined, said: string) {
    super(`answers ${status}${said}`);
    this.said = said;
    this.status = status;
    this.asked = asked;
  }
}

/**
 * @param server where its API is, e.g. `https://registry.example:5000`
 * @param origin for messages
 */
export function exchange(server: string, origin: string, context: ExchangeContext): Exchange {
  const { http, random, now, sleep, tries = TRIES } = context;
  const { origin: home, protocol } = new URL(server);
  const plainHttp = protocol === "http:";

  const givenUp = (failures: number, what: string, error: unknown): StoreError => {
    if (error instanceof Passing && !PASSING.has(error.status)) return refusal(`${origin}: ${what}`, error.status, error.said);
    const limited = error instanceof Passing && error.status === 429;
    const asked = error instanceof Passing ? error.asked : undefined;
    const times = failures > 1 ? `, ${failures} times` : "";
    const wish = asked === undefined ? "" : `, and asks to wait for ${Math.ceil(asked / 1000)} s`;
    return storeError(
      limited ? "REGISTRY_RATE_LIMITED" : "REGISTRY_UNREACHABLE",
      origin,
      `${what}: ${whyNot(error)}${times}${wish}`,
      limited
        ? "Log in, which often raises the limit, or try again later."
        : "Check the network, a proxy (HTTPS_PROXY, NO_PROXY) and the registry; then try again.",
      error,
    );
  };

  const pause: Exchange["pause"] = async (failures, what, error, signal) => {
    const delay =
      failures < tries ? retryDelay(failures, random(), error instanceof Passing ? error.asked : undefined) : undefined;
    if (delay === undefined) throw error instanceof AppError ? error : givenUp(failures, what, error);
    await sleep(delay, signal);
  };

  const again = async <T>(what: string, signal: AbortSignal | undefined, repeat: boolean, body: () => Promise<T>): Promise<T> => {
    for (let failures = 1; ; failures++) {
      try {
        return await body();
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof AppError) throw error;
        const lasting = lastingFailure(origin, error);
        if (lasting) throw lasting;
        if (!repeat) throw givenUp(1, what, error);
        await pause(failures, what, error, signal);
      }
    }
  };

  /** @throws Passing */
  const passed = async (response: HttpResponse, ok: readonly number[]): Promise<void> => {
    if (!PASSING.has(response.status) || ok.includes(response.status)) return;
    const asked = parseRetryAfter(response.header("retry-after"), response.header("date"));
    throw new Passing(response.status, asked, (await saidBy(response)).text);
  };

  const authorize = authorizer({
    ...{ origin, plainHttp, credentials: context.credentials, now },
    ask: async (request) =>
      await again("its token service", request.signal, true, async () => {
        const response = await http(request);
        await passed(response, []);
        return response;
      }),
  });

  const resolve: Exchange["resolve"] = (target, from) => {
    const url = target === undefined ? undefined : URL.parse(target, from);
    if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password)
      throw invalidAnswer(origin, "sends on to a place that is none");
    // What was asked for by TLS is not to be read by others on the way.
    if (url.protocol === "http:" && !plainHttp) throw invalidAnswer(origin, `sends on from TLS to plain HTTP: ${url.origin}`);
    url.hash = "";
    return url.href;
  };

  const once = async (ask: Ask): Promise<Answer> => {
    const { method, url: first, scope, headers = {}, body, answerMs, ok, what, passing = [], signal } = ask;
    let url = new URL(first, server).href;
    let redirects = 0;
    let challenges = 0;
    for (;;) {
      // Credentials are the registry's, not of where it sends on to.
      const own = new URL(url).origin === home;
      const authorization = own ? authorize.header(scope) : undefined;
      const response = await http({
        ...{ method, url, signal, headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) } },
        ...(body ? { body } : {}),
        ...(answerMs === undefined ? {} : { answerMs }),
      });
      if (ok.includes(response.status)) {
        if ((response.header("content-encoding") ?? "identity") !== "identity") {
          response.discard();
          throw invalidAnswer(origin, "answers with an encoding that nobody asked for");
        }
        return { ...response, url };
      }
      if (response.status === 401 && own && challenges++ < MOST_CHALLENGES) {
        response.discard();
        await authorize.challenged(response.header("www-authenticate"), scope, authorization, signal);
        continue;
      }
      if (REDIRECTS.has(response.status) && (method === "GET" || method === "HEAD") && redirects++ < MOST_REDIRECTS) {
        response.discard();
        url = resolve(response.header("location"), url);
        continue;
      }
      await passed(response, ok);
      const said = await saidBy(response);
      if (said.code !== undefined && passing.includes(said.code)) throw new Passing(response.status, undefined, said.text);
      throw refusal(`${origin}: ${what}`, response.status, said.text);
    }
  };

  const send: Exchange["send"] = async (ask) => await again(ask.what, ask.signal, ask.again ?? true, async () => await once(ask));
  return {
    send,
    resolve,
    pause,
    document: async (ask, limit) =>
      await again(ask.what, ask.signal, true, async () => {
        const answer = await once(ask);
        return { answer, bytes: await readDocument(answer, limit, `${origin}: ${ask.what}`) };
      }),
  };
}

function refusal(origin: string, status: number, said: string): StoreError {
  const error = (code: StoreErrorCode, what: string, hint: string): StoreError =>
    new StoreError(code, `${origin}: ${what}${said}`, { hint, status });
  switch (status) {
    case 401:
      return error(
        "REGISTRY_DENIED",
        "does not let in",
        "Log in: `docker login REGISTRY`, or name another file with credentials.",
      );
    case 403:
      return error(
        "REGISTRY_DENIED",
        "does not allow this",
        "Check the name, and what this user may do there; log in as another.",
      );
    case 404:
      return error(
        "REGISTRY_NOT_FOUND",
        "is not there",
        "Check the name and the tag; some registries say so to whoever is not logged in.",
      );
    default:
      return status < 400
        ? invalidAnswer(origin, `answers ${status}, which is no answer to this`)
        : error("REGISTRY_REFUSED", `refuses with status ${status}`, "See what it says, and the registry's own log.");
  }
}

const Errors = z.object({ errors: z.array(z.object({ code: z.string().nullish(), message: z.string().nullish() })).min(1) });
const MOST_SAID = 64 * 1024;

/** The code of a registry's error, and its own words for it, on one line; no words where it has none. Source: OCI Distribution Specification 1.1, "Error Codes" */
async function saidBy(response: HttpResponse): Promise<{ readonly code?: string; readonly text: string }> {
  try {
    const bytes = await readDocument(response, MOST_SAID, "");
    const [first] = Errors.parse(JSON.parse(new TextDecoder().decode(bytes))).errors;
    const text = [first?.code, first?.message].filter(Boolean).join(": ");
    return {
      ...(first?.code ? { code: first.code } : {}),
      text: text ? ` (${text.replaceAll(/[^\x20-\x7e]+/g, " ").slice(0, 200)})` : "",
    };
  } catch {
    return { text: "" }; // the status says enough
  } finally {
    response.discard();
  }
}
