import { gunzipSync } from "node:zlib";
import type { Bytes } from "../core/units.ts";

/** Undoes gzip (RFC 1952) in memory. @throws Error when it is none, or more than `limit` bytes come out */
export function gunzip(bytes: Uint8Array, limit: Bytes): Uint8Array {
  if (limit < 1) throw new RangeError("no room is left");
  return gunzipSync(bytes, { maxOutputLength: limit });
}
