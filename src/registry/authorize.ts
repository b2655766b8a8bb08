import * as z from "zod";
import type { Http, HttpRequest } from "../host/http-client.ts";
import { parseChallenges, type Challenge } from "./challenge.ts";
import type { Credentials } from "./docker-config.ts";
import { parse } from "./documents.ts";
import { invalidAnswer, storeError } from "./errors.ts";
import { readDocument } from "./read-document.ts";

/** Who asks a registry, in its own words: found out from its challenges, and remembered. */
export interface Authorizer {
  /** The `Authorization` that a request for these scopes begins with; nothing where nothing is known yet. */
  header(scope: string): string | undefined;
  /**
   * After a 401: another `Authorization` than the one that was refused.
   *
   * @throws StoreError `REGISTRY_DENIED` where there is no other, `REGISTRY_UNREACHABLE` and others of the token service
   */
  challenged(
    field: string | undefined,
    scope: string,
    refused: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string>;
}

export interface AuthorizerOptions {
  /** For messages: `registry.example`. */
  readonly origin: string;
  readonly plainHttp: boolean;
  /** One request to the token service, tried again as often as makes sense. @throws StoreError */
  readonly ask: (request: HttpRequest) => ReturnType<Http>;
  /** Called once, and only when the registry asks. */
  readonly credentials: (signal: AbortSignal | undefined) => Promise<Credentials | undefined>;
  /** Milliseconds since anything that stays. */
  readonly now: () => number;
}

/** Source: distribution, "Token Authentication Specification", "Requesting a Token". */
const Token = z.object({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  /** Seconds. */
  expires_in: z.number().nullish(),
});
const DEFAULT_LIFE_S = 60;
/** A token is not used to its last moment: the request has to arrive. */
const MARGIN_MS = 10_000;
const LARGEST_TOKEN = 256 * 1024;
const HEADER_VALUE = /^[\x21-\x7e]{1,12000}$/;

interface Kept {
  readonly header: string;
  readonly until: number;
}

/** Source: OCI Distribution Specification 1.1 leaves authorization to RFC 9110; distribution, "Token Authentication Specification" */
export function authorizer(options: AuthorizerOptions): Authorizer {
  const { origin, now } = options;
  let known: Promise<Credentials | undefined> | undefined;
  let basic: string | undefined;
  const tokens = new Map<string, Kept>();
  const asked = new Map<string, Promise<string>>();
  const credentials = async (signal: AbortSignal | undefined): Promise<Credentials | undefined> => {
    known ??= options.credentials(signal).catch((error: unknown) => {
      known = undefined; // an aborted question is no answer for the next one
      throw error;
    });
    return await known;
  };
  const header: Authorizer["header"] = (scope) => {
    const kept = tokens.get(scope);
    return kept && kept.until > now() ? kept.header : basic;
  };
  return {
    header,
    challenged: async (field, scope, refused, signal) => {
      // Another request may have got one meanwhile.
      const meanwhile = header(scope);
      if (meanwhile !== undefined && meanwhile !== refused) return meanwhile;
      const own = await credentials(signal);
      const denied = (what: string): Error =>
        storeError(
          "REGISTRY_DENIED",
          origin,
          own ? `${what} with the credentials that there are for it` : `${what}, and there are no credentials for it`,
          "Log in: `docker login REGISTRY`, or name another file with credentials.",
        );
      if (own?.kind === "registry-token") {
        const bearer = authorization("Bearer", own.token, origin);
        if (refused === bearer) throw denied("refuses the token");
        return (basic = bearer);
      }
      const challenges = parseChallenges(field ?? "");
      const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters.has("realm"));
      if (bearer) {
        const going =
          asked.get(scope) ??
          token(options, bearer, scope, own, signal)
            .then((kept) => {
              tokens.set(scope, kept);
              return kept.header;
            })
            .finally(() => asked.delete(scope));
        asked.set(scope, going);
        return await going;
      }
      if (!challenges.some(({ scheme }) => scheme === "basic")) {
        throw storeError(
          "REGISTRY_DENIED",
          origin,
          `asks for an authorization that is not known: ${(field ?? "none named").slice(0, 100)}`,
        );
      }
      if (own?.kind !== "password") throw denied("asks for user and password");
      const value = basicOf(own);
      if (refused === value) throw denied("does not let in");
      return (basic = value);
    },
  };
}

const basicOf = ({ user, password }: { readonly user: string; readonly password: string }): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

/** @returns a token of the registry's token service */
async function token(
  { origin, plainHttp, ask, now }: AuthorizerOptions,
  { parameters }: Challenge,
  scope: string,
  own: Credentials | undefined,
  signal: AbortSignal | undefined,
): Promise<Kept> {
  const url = URL.parse(parameters.get("realm")!);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password)
    throw invalidAnswer(origin, "names a token service that is none");
  // Whoever can read the line would have the password.
  if (url.protocol === "http:" && !plainHttp) throw invalidAnswer(origin, `names a token service without TLS: ${url.origin}`);
  const scopes = new Set([...scope.split(" "), ...(parameters.get("scope") ?? "").split(" ")].filter(Boolean));
  const service = parameters.get("service");
  const fields = new URLSearchParams([...(service === undefined ? [] : [["service", service]])] as [string, string][]);
  let request: HttpRequest;
  if (own?.kind === "identity-token") {
    fields.append("scope", [...scopes].join(" "));
    for (const [name, value] of [
      ["grant_type", "refresh_token"],
      ["client_id", "petrify"],
      ["refresh_token", own.token],
    ] as const)
      fields.append(name, value);
    const bytes = new TextEncoder().encode(fields.toString());
    const body = {
      size: bytes.length,
      chunks: async function* () {
        yield bytes;
      },
    };
    request = { method: "POST", url: url.href, headers: { "content-type": "application/x-www-form-urlencoded" }, body, signal };
  } else {
    for (const one of scopes) fields.append("scope", one);
    url.search = [url.search.slice(1), fields.toString()].filter(Boolean).join("&");
    request = { method: "GET", url: url.href, headers: own?.kind === "password" ? { authorization: basicOf(own) } : {}, signal };
  }
  const at = `${origin}: token service ${url.origin}`;
  const response = await ask(request);
  if (response.status === 401 || response.status === 403 || response.status === 400) {
    response.discard();
    throw storeError(
      "REGISTRY_DENIED",
      at,
      own ? `does not let in (${response.status})` : `does not let in whoever has no credentials (${response.status})`,
      "Log in: `docker login REGISTRY`, or name another file with credentials.",
    );
  }
  if (response.status !== 200) {
    response.discard();
    throw invalidAnswer(at, `answers ${response.status}`);
  }
  const answer = parse(Token, await readDocument(response, LARGEST_TOKEN, at), at);
  const value = answer.token || answer.access_token;
  if (!value) throw invalidAnswer(at, "answers without a token");
  const life = Math.max(0, answer.expires_in || DEFAULT_LIFE_S) * 1000;
  return { header: authorization("Bearer", value, at), until: now() + Math.max(life - MARGIN_MS, life / 2) };
}

/** @throws StoreError `REGISTRY_INVALID` for what would be a second header, or no header at all */
function authorization(scheme: string, value: string, origin: string): string {
  if (!HEADER_VALUE.test(value)) throw invalidAnswer(origin, "has a token that is none");
  return `${scheme} ${value}`;
}
