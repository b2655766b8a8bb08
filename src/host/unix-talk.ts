/** Calls on a Unix socket that go on both ways: a JSON document a line in the request and in its answer, neither of which waits for the other's end. */
import { once } from "node:events";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { AppError, errorDocument } from "../core/error.ts";
import { lineReader } from "../core/lines.ts";
import type { Bytes } from "../core/units.ts";
import { bearer, CALLER_HEADER, isBearer } from "./unix-http.ts";
import { watchIdle, type Idle } from "./watch-idle.ts";

/**
 * Answers what one caller says. Values are asked for as they are taken, on both sides.
 *
 * @param signal aborted when the caller has gone
 * @param caller for whom a program with the token asks, in its own words
 */
export type TalkHandler = (
  heard: AsyncIterable<unknown>,
  signal: AbortSignal,
  caller: string | undefined,
) => AsyncIterable<object>;

export interface TalkOptions {
  /** A path, or a socket that is open already, as systemd hands it over. */
  readonly at: string | { readonly fd: number };
  /** Of whoever may call. */
  readonly token: string;
  readonly idle: Idle;
}

/** A message of the contract's has 128 KiB, and a third more as text. */
const LINE_BYTES: Bytes = 256 * 1024;
const CONNECTIONS = 64;

export async function serveTalks({ at, token, idle }: TalkOptions, handler: TalkHandler): Promise<AsyncDisposable> {
  const server = createServer((message, response) => {
    if (!isBearer(message.headers.authorization, token)) {
      response.writeHead(403).end(() => message.destroy());
      return;
    }
    void answer(message, response, handler);
  });
  server.maxConnections = CONNECTIONS;
  server.requestTimeout = 0; // a request lasts as long as its caller has anything to say
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, resolve);
  });
  watchIdle(server, idle);
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(message: IncomingMessage, response: ServerResponse, handler: TalkHandler): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const caller = message.headers[CALLER_HEADER];
  try {
    response.flushHeaders();
    const said = handler(documents(message), gone.signal, typeof caller === "string" ? caller : undefined);
    for await (const value of said) {
      await send(response, value);
      if (gone.signal.aborted) return;
    }
  } catch (error) {
    await send(response, { error: errorDocument(error) });
  }
  response.end(() => message.destroy());
}

/**
 * Calls a server on a Unix socket, and says what `said` has; what it answers as it comes.
 *
 * @param caller for whom the program with the token asks: one line of ASCII
 * @throws AppError what the server reports; NodeJS.ErrnoException where nobody answers; the signal's reason
 */
export async function* talk(
  path: string,
  said: AsyncIterable<object>,
  { token, caller, signal }: { readonly token: string; readonly caller: string; readonly signal: AbortSignal },
): AsyncGenerator {
  const headers = { authorization: bearer(token), [CALLER_HEADER]: caller };
  const over = new AbortController();
  const call = request({ socketPath: path, method: "POST", path: "/", headers, signal: AbortSignal.any([signal, over.signal]) });
  const answered = new Promise<IncomingMessage>((resolve, reject) => call.once("response", resolve).once("error", reject));
  call.on("error", () => {}); // also once it was answered: its end says enough
  try {
    call.flushHeaders();
    const response = await answered;
    if (response.statusCode !== 200) throw new AppError("AGENT_UNREACHABLE", `what answers at ${path} does not know who asks`);
    void (async () => {
      for await (const value of said) {
        await send(call, value);
        if (over.signal.aborted) return;
      }
      call.end();
    })().catch((error: unknown) => call.destroy(error as Error));
    for await (const value of documents(response)) {
      const { error } = value as { readonly error?: { readonly code: string; readonly message: string; readonly hint?: string } };
      if (error) throw new AppError(error.code, error.message, error.hint === undefined ? {} : { hint: error.hint });
      yield value;
    }
  } finally {
    over.abort();
  }
}

/** Resolves when more can be sent, or nobody is there any more. */
async function send(to: ServerResponse | ReturnType<typeof request>, value: object): Promise<void> {
  if (to.destroyed || to.write(`${JSON.stringify(value)}\n`)) return;
  const over = new AbortController();
  const { signal } = over;
  try {
    await Promise.race([once(to, "drain", { signal }), once(to, "close", { signal })]);
  } finally {
    over.abort();
  }
}

/** @throws AppError `REQUEST_INVALID` */
async function* documents(source: AsyncIterable<Uint8Array>): AsyncGenerator {
  const lines = lineReader(LINE_BYTES);
  for await (const chunk of source) {
    for (const line of lines(chunk)) {
      if ("tooLong" in line) throw new AppError("REQUEST_INVALID", `a message has more than ${LINE_BYTES} bytes`);
      try {
        yield JSON.parse(line.text);
      } catch (cause) {
        throw new AppError("REQUEST_INVALID", "a message is no JSON document", { cause });
      }
    }
  }
}
