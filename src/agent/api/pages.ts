/** What is asked for by `GET` alone, besides the calls of the contract: pages for programs that speak HTTP and nothing else. */
import { Code } from "@connectrpc/connect";
import { AppError } from "../../core/error.ts";
import type { TlsHandler } from "../../host/tls-server.ts";
import type { Role } from "../../pki/identity.ts";
import { refusalFor, type Caller } from "./authorize.ts";

export interface Page {
  /** A caller's role is at least this one. */
  readonly role: Role;
  /** Of its content. */
  readonly type: string;
  readonly text: (signal: AbortSignal) => Promise<string>;
}
/** By path. */
export type Pages = Readonly<Record<string, Page>>;

interface PageMeans {
  readonly callerOf: (request: Parameters<TlsHandler>[0]) => Caller | undefined;
  /** Seconds since 1970. */
  readonly now: () => number;
  readonly denied: (caller: string, what: string) => void;
  /** Something that nobody has expected. */
  readonly failed: (path: string, error: unknown) => void;
}

/** Of HTTP/1.1; that of HTTP/2 goes by the same names. */
type Answer = Extract<Parameters<TlsHandler>[1], { assignSocket: unknown }>;

/** @param rest of what has no page */
export function servePages(pages: Pages, { callerOf, now, denied, failed }: PageMeans, rest: TlsHandler): TlsHandler {
  return (request, response) => {
    const path = request.url!.replace(/\?.*/s, "");
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (!page) return rest(request, response);
    const answer = response as Answer;
    const say = (status: number, text: string, type = "text/plain; charset=utf-8"): void => {
      answer.statusCode = status;
      answer.setHeader("content-type", type);
      answer.setHeader("cache-control", "no-store");
      answer.end(text);
    };
    if (request.method !== "GET") return say(405, "only GET\n");
    const caller = callerOf(request);
    const refusal = refusalFor(caller, page.role, now());
    if (refusal) {
      denied(caller?.name ?? "somebody", `${path}: ${refusal.rawMessage}`);
      return say(refusal.code === Code.Unauthenticated ? 401 : 403, `${refusal.rawMessage}\n`);
    }
    const gone = new AbortController();
    answer.once("close", () => gone.abort());
    page.text(gone.signal).then(
      (text) => say(200, text, page.type),
      (error: unknown) => {
        if (error instanceof AppError) return say(503, `${error.message}\n`);
        if (!gone.signal.aborted) failed(path, error);
        say(500, "the machine failed to answer\n");
      },
    );
  };
}
