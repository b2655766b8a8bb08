import { createPublicKey, verify } from "node:crypto";
import type { Ecdsa } from "../core/signature.ts";

/** ECDSA of Node's OpenSSL. */
export const ecdsa: Ecdsa = {
  verify: (key, { message, signature }) => {
    try {
      const publicKey = createPublicKey({ key: Buffer.from(key), format: "der", type: "spki" });
      return verify("sha256", message, publicKey, signature);
    } catch {
      return false; // a point that is not on the curve
    }
  },
};
