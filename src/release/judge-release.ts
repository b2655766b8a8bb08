/** @portable From what a registry gives to an answer: whose the signatures are, whether the machine takes the release, which keys it trusts then. */
import type { Ecdsa, SignatureClaim } from "../core/signature.ts";
import { mayUpgrade, type UpgradeAnswer, type UpgradeQuestion } from "./may-upgrade.ts";
import type { Release } from "./release.ts";
import { signersOf } from "./signers.ts";
import { digestClaim } from "./sigstore-bundle.ts";
import { simpleClaim, type SimpleSignature } from "./simple-signing.ts";
import { nextTrust, type TrustedKeys } from "./trusted-keys.ts";

/** What was found beside a release in a registry. */
export interface FoundSignatures {
  /** Of the image under the tag `sha256-….sig`. */
  readonly simple: readonly SimpleSignature[];
  /** Of the artifacts that refer to the manifest. */
  readonly bundles: readonly Uint8Array[];
}

/** What is claimed about the manifest of that digest. Bundles first: they are the newer form. */
export const claimsAbout = (digest: string, { simple, bundles }: FoundSignatures): readonly SignatureClaim[] => [
  ...bundles.flatMap((bundle) => digestClaim(bundle, digest) ?? []),
  ...simple.flatMap((signature) => simpleClaim(signature, digest) ?? []),
];

export interface ReleaseQuestion extends Omit<UpgradeQuestion, "candidate"> {
  /** What the signed manifest names: that it does, and that the bytes have its digest, has been checked. */
  readonly release: Release;
  readonly claims: readonly SignatureClaim[];
  readonly ecdsa: Ecdsa;
}
export type ReleaseAnswer =
  | (UpgradeAnswer & { readonly allowed: false })
  | (UpgradeAnswer & {
      readonly allowed: true;
      /** To be kept by the machine before it makes the image the one that boots; nothing where its keys stay. */
      readonly keys: TrustedKeys | undefined;
    });

/** A release whose keys the machine cannot take is not taken either: its image would carry them. */
export function judgeRelease({ release, claims, ecdsa, ...question }: ReleaseQuestion): ReleaseAnswer {
  const { trusted } = question;
  const signers = trusted ? signersOf(claims, trusted, ecdsa) : [];
  const answer = mayUpgrade({ ...question, candidate: { release, signatures: claims.length, signers } });
  if (!answer.allowed) return answer;
  if (!trusted || !release.keys) return { ...answer, keys: undefined };
  const next = nextTrust(trusted, { keys: release.keys, signers, created: release.created });
  if (next.is === "refused") return { allowed: false, refusal: next.refusal };
  return { ...answer, keys: next.is === "next" ? next.keys : undefined };
}
