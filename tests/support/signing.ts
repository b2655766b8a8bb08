import { generateKeyPairSync, sign } from "node:crypto";

/** A key pair that exists as long as the test does. */
export function newKeyPair() {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    publicKey: new Uint8Array(publicKey.export({ type: "spki", format: "der" })),
    sign: (message: Uint8Array): Uint8Array => new Uint8Array(sign("sha256", message, privateKey)),
  };
}
