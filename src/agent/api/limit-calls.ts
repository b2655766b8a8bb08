/**
 * How many calls are answered at a time, and for how long one may lie there: each holds a request that is not whole, or what its caller has not taken of the
 * answer. Callers decide how fast they take it: with a window of nothing (RFC 9113, section 6.9), not at all.
 */
import { Code, ConnectError, createContextKey, type ContextValues } from "@connectrpc/connect";
import { cutOff, type TlsHandler, type TlsRequest } from "../../host/tls-server.ts";

export interface CallLimits {
  /** That are answered at once: at a time, of all callers. */
  readonly calls: number;
  /** The same, of one of them. */
  readonly callsOfOne: number;
  /** That go on, at a time. */
  readonly lasting: number;
  /** Until a whole request has to be there; milliseconds. */
  readonly requestMs: number;
  /** How long nothing may be taken of an answer that is whole; milliseconds. */
  readonly quietMs: number;
}
export interface LimitedCalls {
  readonly handle: TlsHandler;
  /** To the values of the call that a request is. */
  readonly mark: (request: TlsRequest, values: ContextValues) => ContextValues;
}

/** Of a call: why it is one too many. */
const EXCESS = createContextKey<string | undefined>(undefined);
const AGAIN = "; try again later";

/** @throws ConnectError for a call that is one too many */
export function refuseExcess({ values }: { readonly values: ContextValues }): void {
  const why = values.get(EXCESS);
  if (why !== undefined) throw new ConnectError(why + AGAIN, Code.ResourceExhausted);
}

/** Those that are one too many are told so, as many at a time as are answered: that, too, is an answer that has to be taken. Milliseconds. */
const TOLD_MS = 1000;

/**
 * @param lasts whether a path is that of calls that go on; nothing for what is no call
 * @param callerOf the same for all requests of one caller
 */
export function limitCalls(
  { calls, callsOfOne, lasting, requestMs, quietMs }: CallLimits,
  lasts: (path: string) => boolean | undefined,
  callerOf: (request: TlsRequest) => string,
  rest: TlsHandler,
): LimitedCalls {
  const excess = new WeakMap<TlsRequest, string>();
  const short = counter();
  const long = counter();
  const told = counter();
  /** @returns why not */
  const enter = (request: TlsRequest, isLasting: boolean): (() => void) | string => {
    if (isLasting) return long.all < lasting ? long.add("") : `${lasting} calls that last are answered already`;
    const caller = callerOf(request);
    if (short.of(caller) >= callsOfOne) return `${callsOfOne} calls of this caller are answered already`;
    return short.all < calls ? short.add(caller) : `${calls} calls are answered already`;
  };
  const handle: TlsHandler = (request, response) => {
    const isLasting = lasts(request.url!.replace(/\?.*/s, ""));
    const entered = enter(request, isLasting === true);
    const endAfter = (ms: number, unless: () => boolean): void => {
      const timer = setTimeout(() => {
        if (!unless()) cutOff(request);
      }, ms);
      response.once("close", () => clearTimeout(timer));
    };
    if (typeof entered !== "string") {
      response.once("close", entered);
      if (isLasting !== true) endAfter(requestMs, () => request.complete);
      response.setTimeout(quietMs, () => {
        if (response.writableEnded) cutOff(request);
      });
      return rest(request, response);
    }
    if (told.all >= calls) return cutOff(request, true);
    response.once("close", told.add(""));
    endAfter(TOLD_MS, () => false);
    excess.set(request, entered);
    // A call is told in its own protocol.
    return isLasting === undefined ? refuse(response, `${entered}${AGAIN}\n`) : rest(request, response);
  };
  return { handle, mark: (request, values) => values.set(EXCESS, excess.get(request)) };
}

/** What is there at a time, of whom. */
function counter() {
  const byName = new Map<string, number>();
  let all = 0;
  return {
    get all() {
      return all;
    },
    of: (name: string): number => byName.get(name) ?? 0,
    /** @returns takes it away again */
    add: (name: string) => {
      byName.set(name, (byName.get(name) ?? 0) + 1);
      all++;
      return (): void => {
        const left = byName.get(name)! - 1;
        if (left > 0) byName.set(name, left);
        else byName.delete(name);
        all--;
      };
    },
  };
}

function refuse(response: Parameters<TlsHandler>[1], text: string): void {
  response.statusCode = 503;
  response.setHeader("retry-after", "1");
  (response as Extract<typeof response, { assignSocket: unknown }>).end(text);
}
