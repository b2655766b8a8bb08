/** A web server for one file, with several ranges in one request, which counts what it sends. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { createReadStream } from "node:fs";
import { fileSize } from "../src/host/files.ts";
import type { Bytes } from "../src/core/units.ts";

interface RangeServer extends AsyncDisposable {
  readonly url: string;
  /** Bytes of bodies so far, with what separates ranges. */
  readonly sent: () => Bytes;
}

/** Source: RFC 9110, 14.2 and 14.6 (multipart/byteranges). */
export async function serveRanges(path: string): Promise<RangeServer> {
  const size = await fileSize(path);
  const bytesOf = async ({ first, last }: Range): Promise<Buffer> =>
    await buffer(createReadStream(path, { start: first, end: last }));
  let sent = 0;
  const server = createServer((request, response) => {
    void (async () => {
      const ranges = parseRanges(request.headers.range, size);
      const type = "application/octet-stream";
      const parts: Buffer[] = [];
      if (ranges.length === 1) {
        const { first, last } = ranges[0]!;
        parts.push(await bytesOf(ranges[0]!));
        response.writeHead(206, { "content-type": type, "content-range": `bytes ${first}-${last}/${size}` });
      } else if (ranges.length > 1) {
        const boundary = randomUUID();
        for (const range of ranges) {
          const about = `content-type: ${type}\r\ncontent-range: bytes ${range.first}-${range.last}/${size}`;
          parts.push(Buffer.from(`\r\n--${boundary}\r\n${about}\r\n\r\n`), await bytesOf(range));
        }
        parts.push(Buffer.from(`\r\n--${boundary}--\r\n`));
        response.writeHead(206, { "content-type": `multipart/byteranges; boundary=${boundary}` });
      } else {
        parts.push(await bytesOf({ first: 0, last: size - 1 }));
        response.writeHead(200, { "content-type": type });
      }
      const body = Buffer.concat(parts);
      sent += body.length;
      response.end(body);
    })().catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent: () => sent,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Range {
  readonly first: number;
  readonly last: number;
}
/** None where the header asks for none, or for what is not understood: the whole file is right then. */
export function parseRanges(header: string | undefined, size: Bytes): Range[] {
  const [, list] = /^bytes=(.+)$/.exec(header ?? "") ?? [];
  const ranges = (list ?? "").split(",").flatMap((text): Range[] => {
    const [, first, last] = /^\s*(\d+)-(\d*)\s*$/.exec(text) ?? [];
    return first === undefined ? [] : [{ first: Number(first), last: Math.min(last ? Number(last) : Infinity, size - 1) }];
  });
  return ranges.every(({ first, last }) => first <= last) ? ranges : [];
}
