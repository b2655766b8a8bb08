/** @portable Signatures as portable code takes them, passed in like digests: ECDSA on P-256 with SHA-256, as cosign makes them. */

/** SubjectPublicKeyInfo, DER, 91 bytes. Source: RFC 5480, section 2 */
export type PublicKey = Uint8Array;

/** That somebody has signed these bytes; whether it is so shows by a key. */
export interface SignatureClaim {
  /** What is signed, not its digest. */
  readonly message: Uint8Array;
  /** DER. Source: RFC 3279, section 2.2.3 */
  readonly signature: Uint8Array;
}
export interface Ecdsa {
  /** Never throws: what is no key has signed nothing. */
  readonly verify: (key: PublicKey, claim: SignatureClaim) => boolean;
}
export interface SigningKey {
  readonly publicKey: PublicKey;
  /** The signature of a message, DER. */
  readonly sign: (message: Uint8Array) => Uint8Array;
}
