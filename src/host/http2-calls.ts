/** Requests over one connection of HTTP/2, whatever leads to the other end. */
import { once } from "node:events";
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from "node:http2";
import type { Duplex } from "node:stream";

export interface Http2Request {
  readonly method: string;
  readonly url: string;
  readonly header: Headers;
  readonly body?: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}
export interface Http2Response {
  readonly status: number;
  readonly header: Headers;
  readonly body: AsyncIterable<Uint8Array>;
  /** Empty: nobody who asks by this looks at trailers. */
  readonly trailer: Headers;
}
export interface Http2Calls extends AsyncDisposable {
  /** @throws Error when there is no response: the connection has ended, or the other side has reset the request; the signal's reason */
  readonly request: (request: Http2Request) => Promise<Http2Response>;
}

/** How it is found out that nobody is at the other end any more. */
export interface KeepAlive {
  readonly everyMs: number;
  readonly limitMs: number;
}
/** A machine that is emulated, or busy, takes its time. */
const KEEP_ALIVE: KeepAlive = { everyMs: 30_000, limitMs: 60_000 };

/**
 * A machine that loses its power says nothing more, and a line that only listens would wait for it for ever: so it is asked. Source: RFC 9113, section 6.7
 *
 * Node's own streams are read as they come and not by iterating over them: to the iterator a response is cut off that was whole before anybody has read it, which
 * is how responses arrive where the connection is no socket of the system.
 *
 * @param socket past its handshake; it is destroyed with the calls
 */
export function http2Calls(origin: string, socket: Duplex, keepAlive = KEEP_ALIVE): Http2Calls {
  const session = connect(origin, { createConnection: () => socket });
  session.on("error", () => {}); // its requests fail, each with its own error
  endWhenSilent(session, socket, keepAlive);
  // Of what is no socket of the system it would not notice.
  socket.once("close", () => session.destroy());
  return {
    request: async (request) => await ask(session, request),
    [Symbol.asyncDispose]: async () => {
      session.destroy();
      await Promise.resolve(socket.destroy());
    },
  };
}

function endWhenSilent(session: ClientHttp2Session, socket: Duplex, { everyMs, limitMs }: KeepAlive): void {
  const asking = setInterval(() => {
    if (session.destroyed || session.connecting) return;
    const late = setTimeout(() => {
      session.destroy();
      socket.destroy();
    }, limitMs).unref();
    if (!session.ping(() => clearTimeout(late))) clearTimeout(late); // others are under way
  }, everyMs).unref();
  session.once("close", () => clearInterval(asking));
}

async function ask(session: ClientHttp2Session, { method, url, header, body, signal }: Http2Request): Promise<Http2Response> {
  signal?.throwIfAborted();
  const { pathname, search } = new URL(url);
  const headers = { ...Object.fromEntries(header), ":method": method, ":path": pathname + search };
  const stream = session.request(headers, { endStream: body === undefined });
  const state: State = { failure: undefined, wake: () => {} };
  const response = new Promise<IncomingHttpHeaders>((resolve, reject) => {
    stream.once("response", resolve);
    stream.once("close", () => reject(state.failure ?? closed(stream)));
  });
  const stop = (): void => {
    state.failure = signal!.reason as Error;
    stream.close(constants.NGHTTP2_CANCEL);
  };
  signal?.addEventListener("abort", stop, { once: true });
  stream.once("close", () => signal?.removeEventListener("abort", stop));
  stream.on("error", (error) => (state.failure ??= error));
  for (const event of ["readable", "end", "close"] as const) stream.on(event, () => state.wake());
  if (body) void send(stream, body).catch((error: unknown) => stream.destroy(error as Error));
  const answer = await response;
  const text = Object.entries(answer).filter(([name, value]) => !name.startsWith(":") && typeof value === "string");
  return {
    status: Number(answer[":status"]),
    header: new Headers(text as [string, string][]),
    body: bodyOf(stream, state),
    trailer: new Headers(),
  };
}

interface State {
  failure: Error | undefined;
  /** Called after each event of the stream. */
  wake: () => void;
}

const closed = ({ rstCode }: ClientHttp2Stream): Error =>
  new Error(rstCode ? `the request was reset: HTTP/2 error ${rstCode}` : "the connection was closed");

async function send(stream: ClientHttp2Stream, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const part of body) {
    if (stream.destroyed || stream.closed) return;
    if (!stream.write(part)) await Promise.race([once(stream, "drain"), once(stream, "close")]);
  }
  stream.end();
}

/** Taken from the stream as it is asked for, so that the other side waits for whoever reads. */
async function* bodyOf(stream: ClientHttp2Stream, state: State): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const part = stream.read() as Buffer | null;
      if (part !== null) {
        yield part;
      } else if (stream.readableEnded) {
        if (state.failure) throw state.failure;
        return;
      } else if (stream.destroyed) {
        throw state.failure ?? closed(stream);
      } else {
        const { promise, resolve } = Promise.withResolvers<void>();
        state.wake = resolve;
        await promise;
      }
    }
  } finally {
    // Who stops reading wants no more of it.
    if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  }
}
