import { chmod, rm } from "node:fs/promises";
import { timingSafeEqual } from "node:crypto";
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { AppError, errorDocument } from "../core/error.ts";
import { watchIdle, type Idle } from "./watch-idle.ts";

/**
 * Answers one request, whose JSON document is `body`; its result becomes one JSON document, or one a line for each value that it yields.
 *
 * @param caller for whom a program with the token asks, in its own words
 */
export type LocalHandler = (signal: AbortSignal, body: unknown, caller?: string) => Promise<object> | AsyncIterable<object>;

/** Handlers by method and path: `GET /status`. */
export type LocalRoutes = Readonly<Record<string, LocalHandler>>;

/**
 * Serves HTTP on a Unix socket that only its owner can connect to. Where a file lies in its place, it is replaced: a server that was killed leaves
 * its socket.
 *
 * @param token for callers that are nobody's in particular: anyone may connect, and what does not come with the token of that moment is refused, unread
 */
export async function serveLocally(path: string, routes: LocalRoutes, token?: () => string): Promise<AsyncDisposable> {
  await rm(path, { force: true });
  const server = serverOf(token, (message, response) => void answer(routes, message, response));
  const serving = await listening(server, path);
  await chmod(path, token === undefined ? 0o600 : 0o666);
  return serving;
}

/**
 * Serves HTTP to callers with the token, until nobody has been connected for a while. Values that an answer yields are asked for as they are taken: a slow
 * reader costs what is on its way to it.
 *
 * @param at a path, or a socket that is open already, as systemd hands it over
 */
export async function serveWhileAsked(
  at: string | { readonly fd: number },
  routes: LocalRoutes,
  token: string,
  idle: Idle,
): Promise<AsyncDisposable> {
  const server = serverOf(
    () => token,
    (message, response) => void answer(routes, message, response, drained),
  );
  const serving = await listening(server, at);
  watchIdle(server, idle);
  return serving;
}

type Answer = (message: IncomingMessage, response: ServerResponse) => void;

function serverOf(token: (() => string) | undefined, respond: Answer): Server {
  const server = createServer((message, response) => {
    if (token === undefined || isBearer(message.headers.authorization, token())) return respond(message, response);
    response.writeHead(403).end(() => message.destroy());
  });
  server.keepAliveTimeout = 1;
  if (token !== undefined) server.maxConnections = STRANGERS;
  return server;
}

async function listening(server: Server, at: string | { readonly fd: number }): Promise<AsyncDisposable> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, resolve);
  });
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Until more can be sent, or nobody is there any more. */
const drained = async (response: ServerResponse): Promise<void> =>
  await new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.once("drain", done).once("close", done);
    if (response.closed) done();
  });

/** Connections of a socket that anyone may connect to. */
const STRANGERS = 256;

/** Compared in a time that tells nothing of the token but its length. @param header of a request */
export function isBearer(header: string | undefined, token: string): boolean {
  const [given, own] = [Buffer.from(header ?? ""), Buffer.from(bearer(token))];
  return given.length === own.length && timingSafeEqual(given, own);
}
/** Source: RFC 6750, section 2.1 */
export const bearer = (token: string): string => `Bearer ${token}`;
export const CALLER_HEADER = "petrify-caller";

/** A document of the machine's own commands: an image's place, a word or two, machine configs, of which each may have a mebibyte. */
const MAX_BODY = 4 * 1024 * 1024;

async function bodyOf(message: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new AppError("REQUEST_INVALID", `the request has more than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch (cause) {
    throw new AppError("REQUEST_INVALID", "the request is no JSON document", { cause });
  }
}

/** @param full waits before the next value while what was sent has not been taken, and none is asked for once nobody is there; else values are kept */
async function answer(
  routes: LocalRoutes,
  message: IncomingMessage,
  response: ServerResponse,
  full?: (response: ServerResponse) => Promise<void>,
): Promise<void> {
  const send = (document: object): boolean => response.write(`${JSON.stringify(document)}\n`);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  try {
    const handler = routes[`${message.method} ${message.url}`];
    if (!handler) throw new AppError("NO_SUCH_CALL", `the agent has no ${message.method} ${message.url}`);
    const caller = message.headers[CALLER_HEADER];
    const result = handler(gone.signal, await bodyOf(message), typeof caller === "string" ? caller : undefined);
    if (Symbol.asyncIterator in result) {
      for await (const part of result) {
        if (send(part) || !full) continue;
        await full(response);
        if (gone.signal.aborted) return;
      }
    } else send(await result);
  } catch (error) {
    const document = errorDocument(error);
    if (!response.headersSent) response.statusCode = document.code === "NO_SUCH_CALL" ? 404 : 500;
    send({ error: document });
  }
  response.end();
}

/**
 * Asks a server on a Unix socket; its answer's values as they come.
 *
 * @param caller for whom the program with the token asks: one line of ASCII
 * @throws AppError what the server reports, `AGENT_UNREACHABLE` when nobody answers
 */
export async function* askLocally(
  path: string,
  method: "GET" | "POST",
  url: string,
  signal: AbortSignal,
  body?: object,
  token?: string,
  caller?: string,
): AsyncGenerator {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = {
      ...(token === undefined ? {} : { authorization: bearer(token) }),
      ...(caller === undefined ? {} : { [CALLER_HEADER]: caller }),
    };
    const call = request({ socketPath: path, method, path: url, signal, headers }, resolve);
    call.once("error", reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw unreachable(path, cause as NodeJS.ErrnoException);
  });
  if (response.statusCode === 403) throw new AppError("AGENT_UNREACHABLE", `the agent at ${path} does not know who asks`);
  let rest = "";
  response.setEncoding("utf8");
  for await (const chunk of response) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield value(line);
  }
}

function value(line: string): unknown {
  const parsed = JSON.parse(line) as { error?: { code: string; message: string; hint?: string } };
  if (!parsed.error) return parsed;
  const { code, message, hint } = parsed.error;
  throw new AppError(code, message, hint ? { hint } : {});
}

function unreachable(path: string, cause: NodeJS.ErrnoException): AppError {
  if (cause.code === "EACCES") {
    return new AppError("AGENT_UNREACHABLE", `only root may ask the agent at ${path}`, {
      hint: "Run the command as root.",
      cause,
    });
  }
  return new AppError("AGENT_UNREACHABLE", `the agent does not answer at ${path} (${cause.code ?? cause.message})`, {
    hint: "This command asks the agent of the machine that it runs on: see `systemctl status petrifyd`, or `rc-service petrifyd status`.",
    cause,
  });
}
