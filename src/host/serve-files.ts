import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import type { Bytes } from "../core/units.ts";
import { byteRange } from "../layout/byte-range.ts";
import { cannotListen } from "./cannot-listen.ts";

/** A file of the host, or bytes. */
export type ServedFile = { readonly path: string } | { readonly bytes: Uint8Array };

/** One request, from when its answer begins. */
export interface Delivery {
  /** Address of who asked. */
  readonly client: string;
  readonly method: string;
  /** As it was asked for. */
  readonly path: string;
  readonly status: number;
  /** Of the answer's body. */
  readonly total: Bytes;
}
/** Follows a delivery to its end. */
export interface DeliveryWatch {
  /** @param sent bytes given to the connection so far */
  progress(sent: Bytes): void;
  /** @param whole false where the client went, or did not read on */
  ended(sent: Bytes, whole: boolean): void;
}

export interface FileServerOptions {
  readonly address: string;
  /** 0: any that is free. */
  readonly port: number;
  /** By path: `/initrd`. Nothing else is served. */
  readonly files: ReadonlyMap<string, ServedFile>;
  readonly watch: (delivery: Delivery) => DeliveryWatch;
  /** A client that takes no byte for so long is given up. Milliseconds; default: a minute. */
  readonly stalledMs?: number;
}
export interface FileServer extends AsyncDisposable {
  readonly port: number;
}

interface Opened {
  readonly size: Bytes;
  readonly tag: string;
  readonly read: (start: Bytes, end: Bytes) => AsyncIterable<Uint8Array>;
}

const STALLED_MS = 60_000;
const CONNECTIONS = 1024;
const CHUNK: Bytes = 256 * 1024;

/**
 * Serves a fixed set of files by HTTP: GET and HEAD, whole or one range. Files are opened once, so that what is served stays of one kind when
 * they are replaced. However slow a client is, no more than a few chunks of its file are in memory.
 *
 * @throws AppError `PORT_IN_USE`, `LISTEN_FAILED`; NodeJS.ErrnoException when a file cannot be opened
 */
export async function serveFiles({
  address,
  port,
  files,
  watch,
  stalledMs = STALLED_MS,
}: FileServerOptions): Promise<FileServer> {
  await using opening = new AsyncDisposableStack();
  const opened = new Map<string, Opened>();
  for (const [path, file] of files) opened.set(path, await openServed(file, opening));
  const answers = new Set<Promise<void>>();
  const server: Server = createServer((request, response) => {
    const answering = answer({ files: opened, watch, stalledMs }, request, response).finally(() => answers.delete(answering));
    answers.add(answering);
  });
  server.maxConnections = CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, address, resolve);
  }).catch((cause: unknown) => {
    throw cannotListen(address, port, cause as NodeJS.ErrnoException);
  });
  const scope = opening.move();
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound ? bound.port : port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await Promise.all(answers); // they read the files
      await scope.disposeAsync();
    },
  };
}

async function openServed(file: ServedFile, scope: AsyncDisposableStack): Promise<Opened> {
  if ("bytes" in file) {
    const { bytes } = file;
    const tag = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    return { size: bytes.length, tag, read: (start, end) => Readable.from([bytes.subarray(start, end)]) };
  }
  const handle = scope.use(await open(file.path, "r"));
  const { size, mtimeMs, ino } = await handle.stat();
  const tag = [ino, size, Math.trunc(mtimeMs)].map((part) => part.toString(16)).join("-");
  return { size, tag, read: (start, end) => readPart(handle, start, end) };
}

/** Ends early where the file does. Not a stream of the handle: that would close it for everybody when one client goes. */
async function* readPart(handle: FileHandle, start: Bytes, end: Bytes): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end;) {
    const length = Math.min(CHUNK, end - at);
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

async function answer(
  {
    files,
    watch,
    stalledMs,
  }: Pick<FileServerOptions, "watch"> & { readonly files: ReadonlyMap<string, Opened>; readonly stalledMs: number },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = pathOf(request.url ?? "");
  const file = path === undefined ? undefined : files.get(path);
  const [client, method] = [(request.socket.remoteAddress ?? "").replace(/^::ffff:/, ""), request.method ?? ""];
  const { status, headers, body } = reply(file, method, request.headers);
  const total = body ? body.end - body.start : 0;
  response.writeHead(status, { ...headers, "content-length": headers["content-length"] ?? total });
  response.setTimeout(stalledMs, () => response.destroy());
  request.resume();
  const watching = watch({ client, method, path: path ?? String(request.url), status, total });
  let sent: Bytes = 0;
  const counted = async function* (source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      yield chunk;
      sent += chunk.length;
      watching.progress(sent);
    }
    // The next answer of the connection would be taken for the rest of this one.
    if (sent < total) throw new Error("the file has become shorter");
  };
  const source = file && body && total > 0 ? file.read(body.start, body.end) : Readable.from([]);
  const whole = await pipeline(source, counted, response).then(
    () => true,
    () => false,
  );
  watching.ended(sent, whole);
}

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  /** What of the file is sent. */
  readonly body?: { readonly start: Bytes; readonly end: Bytes };
}

function reply(file: Opened | undefined, method: string, headers: IncomingMessage["headers"]): Reply {
  if (method !== "GET" && method !== "HEAD") return { status: 405, headers: { allow: "GET, HEAD" } };
  if (!file) return { status: 404, headers: {} };
  const { size } = file;
  const tag = `"${file.tag}"`;
  const common = { "content-type": "application/octet-stream", "accept-ranges": "bytes", "cache-control": "no-cache", etag: tag };
  if (method === "HEAD") return { status: 200, headers: { ...common, "content-length": size } };
  const condition = headers["if-range"];
  const range = condition === undefined || condition === tag ? byteRange(headers.range, size) : "whole";
  if (range === "none") return { status: 416, headers: { ...common, "content-range": `bytes */${size}` } };
  if (range === "whole") return { status: 200, headers: common, body: { start: 0, end: size } };
  return { status: 206, headers: { ...common, "content-range": `bytes ${range.start}-${range.end - 1}/${size}` }, body: range };
}

/** Of a request's target, without the query; nothing where its escapes are no UTF-8. Source: RFC 9112, 3.2 */
function pathOf(target: string): string | undefined {
  const [path = ""] = target.replace(/^https?:\/\/[^/?#]*/i, "").split(/[?#]/, 1);
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
