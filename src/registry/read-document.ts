import type { Bytes } from "../core/units.ts";
import type { HttpResponse } from "../host/http-client.ts";
import { invalidAnswer } from "./errors.ts";

/** The body of an answer that has to fit in memory. @throws StoreError `REGISTRY_INVALID` for a larger one, and what the connection throws */
export async function readDocument({ body }: Pick<HttpResponse, "body">, limit: Bytes, origin: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > limit) throw invalidAnswer(origin, `answers with more than the ${limit} bytes that are read`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
