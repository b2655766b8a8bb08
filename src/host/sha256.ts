import { createHash, hash } from "node:crypto";
import type { Sha256 } from "../core/digest.ts";

/** SHA-256 of Node's OpenSSL. */
export const sha256: Sha256 = {
  digest: (bytes) => hash("sha256", bytes, "buffer"),
  stream: () => {
    const state = createHash("sha256");
    return { update: (bytes) => void state.update(bytes), digest: () => state.digest() };
  },
};
