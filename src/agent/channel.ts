/** One session of whoever runs the machine with its agent: the calls of the agent's socket, several at a time. docs/concepts/agent.md */
import { AppError, errorDocument } from "../core/error.ts";
import { lineReader, type Line } from "../core/lines.ts";
import type { LocalRoutes } from "../host/unix-http.ts";
import { decodeRequest, encodeLine, MAX_REQUEST, type ChannelReply, type ChannelRequest } from "../layout/agent-channel.ts";

export interface Channel extends Disposable {
  /** Takes what has come; resolves when more may come. It keeps nothing of the bytes. */
  readonly receive: (bytes: Uint8Array) => Promise<void>;
}

/** More are refused: each one costs memory. */
const MAX_CALLS = 16;

/**
 * Answers what is asked until the scope ends; calls that are under way are cancelled then.
 *
 * @param write resolves when the text is gone, so that no answer piles up here; it is called again only then
 */
export function openChannel(routes: LocalRoutes, write: (text: string) => Promise<void>): Channel {
  const read = lineReader(MAX_REQUEST);
  const calls = new Map<number, AbortController>();
  let isOpen = true;
  let writing = Promise.resolve();
  const send = async (reply: ChannelReply): Promise<void> => {
    const before = writing;
    writing = (async () => {
      await before;
      if (isOpen) await write(encodeLine(reply));
    })();
    await writing;
  };
  const close = (): void => {
    isOpen = false;
    for (const call of calls.values()) call.abort();
  };

  const answer = async (id: number, call: string, body: unknown, signal: AbortSignal): Promise<void> => {
    let last: ChannelReply = { id, end: true };
    try {
      const handler = Object.hasOwn(routes, call) ? routes[call] : undefined;
      if (!handler) throw new AppError("NO_SUCH_CALL", `the agent has no ${call}`);
      const result = handler(signal, body);
      if (Symbol.asyncIterator in result) {
        for await (const value of result) {
          if (signal.aborted) break;
          await send({ id, value });
        }
      } else {
        const value = await result;
        if (!signal.aborted) await send({ id, value });
      }
    } catch (error) {
      if (!signal.aborted) last = { id, error: errorDocument(error) };
    }
    calls.delete(id);
    await send(last);
  };

  const begin = (request: ChannelRequest): void => {
    const { id } = request;
    if ("cancel" in request) return calls.get(id)?.abort(); // it may have ended meanwhile
    if (calls.has(id)) throw new AppError("REQUEST_INVALID", `the call ${id} is still under way`);
    if (calls.size >= MAX_CALLS) throw new AppError("TOO_MANY_CALLS", `${MAX_CALLS} calls are under way`);
    const stop = new AbortController();
    calls.set(id, stop);
    answer(id, request.call, request.body, stop.signal).catch(close); // nobody takes the answers any more
  };

  const take = async (line: Line): Promise<void> => {
    if ("text" in line && line.text.trim() === "") return;
    try {
      if ("tooLong" in line) throw new AppError("REQUEST_INVALID", `the request has more than ${MAX_REQUEST} bytes`);
      begin(decodeRequest(line.text));
    } catch (error) {
      await send({ error: errorDocument(error) });
    }
  };

  return {
    receive: async (bytes) => {
      for (const line of read(bytes)) if (isOpen) await take(line);
    },
    [Symbol.dispose]: close,
  };
}
