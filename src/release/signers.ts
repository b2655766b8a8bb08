/** @portable Which of the trusted keys have signed something: ECDSA on P-256 with SHA-256, the arithmetic passed in. */
import type { Ecdsa, SignatureClaim } from "../core/signature.ts";
import { bytesOfBase64 } from "../layout/base64.ts";
import type { KeyId } from "../layout/public-key.ts";
import type { TrustedKeys } from "./trusted-keys.ts";

/** More claims about one release are not looked at: whoever may write to a registry must not keep a machine busy. */
export const MOST_CLAIMS = 32;

/** Keys of the set, revoked ones too, that have made one of the claims true. Each once, in the order of the set. */
export function signersOf(claims: readonly SignatureClaim[], { keys }: TrustedKeys, ecdsa: Ecdsa): readonly KeyId[] {
  const looked = claims.slice(0, MOST_CLAIMS);
  return keys.flatMap(({ id, publicKey }) => {
    const key = bytesOfBase64(publicKey);
    return key && looked.some((claim) => ecdsa.verify(key, claim)) ? [id] : [];
  });
}
