import { readdir, stat } from "node:fs/promises";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { AppError } from "../core/error.ts";
import { MiB, type Bytes } from "../core/units.ts";
import { openDirect } from "./direct-read.ts";
import { withoutSecrets } from "./url-text.ts";

/** An image that lies somewhere, to be read from any place on; fast from one place to the next. */
export interface OpenedSource extends AsyncDisposable {
  readonly size: Bytes;
  /** `length` bytes, at most 1 MiB, from `offset`; good until the next read. @throws AppError `SOURCE_UNREACHABLE`, NodeJS.ErrnoException */
  readonly read: (offset: Bytes, length: Bytes) => Promise<Uint8Array>;
}

const MAX_REDIRECTS = 5;
/** Silence for so long ends a connection. */
const IDLE_MS = 60_000;

/** @throws AppError `IMAGE_UNREADABLE`: with a folder too, when it does not hold exactly one `.img` */
export async function imageFileOf(path: string): Promise<string> {
  const unreadable = (why: string, cause?: unknown): never => {
    throw new AppError("IMAGE_UNREADABLE", `${path} ${why}`, {
      hint: "Name a system image (.img), a folder that holds one, or a URL.",
      cause,
    });
  };
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => unreadable(`cannot be read (${error.code})`, error));
  if (!info.isDirectory()) return path;
  const images = (await readdir(path)).filter((name) => name.endsWith(".img"));
  return images.length === 1
    ? join(path, images[0]!)
    : unreadable(`holds ${images.length === 0 ? "no system image" : `${images.length} images`}`);
}

/** @throws AppError `IMAGE_UNREADABLE` */
export async function openFileSource(path: string): Promise<OpenedSource> {
  const file = await openDirect(path).catch((cause: unknown) => {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new AppError("IMAGE_UNREADABLE", `${path} cannot be read (${code ?? message})`, {
      hint: "Name a system image (.img).",
      cause,
    });
  });
  return file;
}

/**
 * An image behind HTTP. It is one request from the first byte read on, and another one only where reading goes on elsewhere: with `Range`, and where the
 * server does not know that, by skipping.
 *
 * Source: RFC 9110, section 14.
 *
 * @throws AppError `SOURCE_UNREACHABLE` (worth another try), `IMAGE_UNREADABLE`
 */
export async function openUrlSource(url: string, signal?: AbortSignal): Promise<OpenedSource> {
  let body = await connect(url, 0, signal);
  const { size } = body;
  let position = 0;
  let rest: Uint8Array = new Uint8Array();
  const buffer = new Uint8Array(MiB);
  const goTo = async (offset: Bytes): Promise<void> => {
    if (offset === position) return;
    body.response.destroy();
    body = await connect(url, offset, signal);
    if (body.size !== size)
      throw new AppError("IMAGE_UNREADABLE", `what ${withoutSecrets(url)} names has changed while it was read`);
    position = body.start;
    rest = new Uint8Array();
    // A server without ranges starts over.
    while (position < offset) position += (await take(Math.min(buffer.length, offset - position))).length;
  };
  /** At least one byte, except at the end. */
  const take = async (length: Bytes): Promise<Uint8Array> => {
    while (rest.length === 0) {
      const { done, value } = await body.chunks.next().catch((cause: unknown) => {
        signal?.throwIfAborted();
        throw unreachable(url, (cause as Error).message, cause);
      });
      if (done) return rest;
      rest = value;
    }
    const part = rest.subarray(0, length);
    rest = rest.subarray(part.length);
    return part;
  };
  return {
    size,
    read: async (offset, length) => {
      const wanted = Math.max(0, Math.min(length, size - offset));
      if (wanted === 0) return buffer.subarray(0, 0);
      await goTo(offset);
      for (let done = 0; done < wanted;) {
        const part = await take(wanted - done);
        if (part.length === 0) throw unreachable(url, `the connection ended ${size - position} bytes early`);
        buffer.set(part, done);
        done += part.length;
        position += part.length;
      }
      return buffer.subarray(0, wanted);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.resolve();
      body.response.destroy();
    },
  };
}

interface Body {
  readonly response: IncomingMessage;
  readonly chunks: AsyncIterator<Uint8Array>;
  /** Of the whole. */
  readonly size: Bytes;
  /** Where it starts. */
  readonly start: Bytes;
}

async function connect(url: string, from: Bytes, signal: AbortSignal | undefined, redirects = MAX_REDIRECTS): Promise<Body> {
  const response = await get(url, from, signal);
  const { statusCode = 0, headers } = response;
  if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
    response.destroy();
    if (redirects === 0) throw new AppError("IMAGE_UNREADABLE", `${withoutSecrets(url)} leads nowhere: too many redirects`);
    return await connect(new URL(headers.location, url).href, from, signal, redirects - 1);
  }
  if (statusCode !== 200 && statusCode !== 206) {
    response.destroy();
    if (statusCode >= 500 || statusCode === 429 || statusCode === 408) throw unreachable(url, `the server answers ${statusCode}`);
    throw new AppError("IMAGE_UNREADABLE", `${withoutSecrets(url)} cannot be read: the server answers ${statusCode}`, {
      hint: "Check the URL.",
    });
  }
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers["content-range"] ?? "");
  const length = /^\d+$/.exec(headers["content-length"] ?? "")?.[0];
  const size = statusCode === 206 ? range?.[2] : length;
  if (size === undefined) {
    response.destroy();
    throw new AppError("IMAGE_UNREADABLE", `${withoutSecrets(url)} cannot be read: the server does not say how large it is`);
  }
  const start = statusCode === 206 ? Number(range![1]) : 0;
  return { response, chunks: (response as AsyncIterable<Uint8Array>)[Symbol.asyncIterator](), size: Number(size), start };
}

async function get(url: string, from: Bytes, signal: AbortSignal | undefined): Promise<IncomingMessage> {
  return await new Promise<IncomingMessage>((resolve, reject) => {
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    const call = send(url, { headers: { range: `bytes=${from}-` }, ...(signal ? { signal } : {}), timeout: IDLE_MS }, resolve);
    call.on("timeout", () => call.destroy(new Error(`no answer for ${IDLE_MS / 1000} s`)));
    call.once("error", (cause: Error) => {
      reject(signal?.aborted ? (signal.reason as Error) : unreachable(url, cause.message, cause));
    });
    call.end();
  });
}

/** @param url without a password that it may hold */
function unreachable(url: string, why: string, cause?: unknown): AppError {
  return new AppError("SOURCE_UNREACHABLE", `${withoutSecrets(url)} cannot be reached: ${why}`, {
    hint: "Check the network, a proxy and the server; then try again.",
    cause,
  });
}
