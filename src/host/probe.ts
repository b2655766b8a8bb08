import { request as httpRequest } from "node:http";
import { connect } from "node:net";

export interface ProbeOptions {
  /** Ends the probe, which then rejects with the signal's reason. */
  readonly signal: AbortSignal;
}
/** Why there was no answer, as the end of a sentence that starts with what was probed. */
interface NoAnswer {
  readonly error: string;
}

/** Asks once, follows no redirect, and keeps nothing of the body. Never rejects but for an abort. */
export type HttpProbe = (url: string, options: ProbeOptions) => Promise<{ readonly status: number } | NoAnswer>;
/** Connects, and closes at once without a word. Never rejects but for an abort. */
export type TcpProbe = (host: string, port: number, options: ProbeOptions) => Promise<{ readonly connected: true } | NoAnswer>;

/**
 * A GET request on a connection of its own.
 *
 * The certificate of an https server is verified with Node's own list of authorities, unless the server is this machine: one for a loopback address
 * is hardly ever issued by any of them, and nobody is between.
 */
export const httpProbe: HttpProbe = async (url, { signal }) => {
  signal.throwIfAborted();
  if (!URL.canParse(url)) return { error: "is no URL" };
  const { protocol, hostname } = new URL(url);
  const options = {
    signal,
    agent: false,
    headers: { "user-agent": "petrify-health", accept: "*/*", connection: "close" },
  } as const;
  // Loaded only where somebody asks so: TLS has a sixth of the agent's memory.
  const secure = protocol === "https:" ? await import("node:https") : undefined;
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const fail = (error: Error): void => (signal.aborted ? reject(reasonOf(signal)) : resolve({ error: whyNot(error) }));
    try {
      const request = secure
        ? secure.request(url, { ...options, rejectUnauthorized: !isLoopback(hostname) })
        : httpRequest(url, options);
      request.on("error", fail);
      request.once("close", () => fail(new Error("the connection was closed"))); // the answer was no usual one
      request.once("response", ({ statusCode }) => {
        request.destroy(); // what comes after the status is not wanted
        resolve({ status: statusCode! });
      });
      request.end();
    } catch (error) {
      fail(error as Error); // a protocol or a URL that cannot be asked
    }
  });
};

export const tcpProbe: TcpProbe = async (host, port, { signal }) => {
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const abort = (): void => {
      socket.destroy();
      reject(reasonOf(signal));
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", abort));
    socket.on("error", (error) => resolve({ error: whyNot(error) }));
    socket.once("connect", () => {
      socket.destroy();
      resolve({ connected: true });
    });
  });
};

/** @param hostname as `URL` gives it: addresses are in their normal form, IPv6 in brackets */
export const isLoopback = (hostname: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);

const reasonOf = (signal: AbortSignal): Error =>
  signal.reason instanceof Error ? signal.reason : new Error("the probe was ended", { cause: signal.reason });

const WHY: Readonly<Record<string, string>> = {
  ECONNREFUSED: "refuses connections",
  ECONNRESET: "closed the connection without an answer",
  EPIPE: "closed the connection without an answer",
  ENOTFOUND: "has a name that is not known",
  EAI_AGAIN: "has a name that cannot be looked up now",
  EHOSTUNREACH: "cannot be reached",
  ENETUNREACH: "cannot be reached: there is no network",
  ETIMEDOUT: "did not answer",
};

function whyNot(error: Error): string {
  // With several addresses of one name there is an error for each.
  const [first = error] = error instanceof AggregateError ? (error.errors as Error[]) : [];
  const code = (first as NodeJS.ErrnoException).code ?? "";
  return WHY[code] ?? `gave no answer: ${(first.message || code).split("\n")[0]}`;
}

/** Test double: answers from a script by URL or `host:port`, fails loudly on what is not there. */
export function scriptedProbes(script: Readonly<Record<string, number | "connected" | NoAnswer>>): {
  readonly httpProbe: HttpProbe;
  readonly tcpProbe: TcpProbe;
} {
  const answer = (key: string): number | "connected" | NoAnswer => {
    const found = script[key];
    if (found === undefined) throw new Error(`unscripted probe: ${key}`);
    return found;
  };
  return {
    httpProbe: async (url) => {
      const found = await Promise.resolve(answer(url));
      return typeof found === "number" ? { status: found } : found === "connected" ? { error: "speaks no HTTP" } : found;
    },
    tcpProbe: async (host, port) => {
      const found = await Promise.resolve(answer(`${host}:${port}`));
      return typeof found === "object" ? found : { connected: true };
    },
  };
}
