/** Whether a machine would take a release that was found in a store. The rules: may-upgrade.ts. */
import { ecdsa } from "../host/ecdsa.ts";
import {
  claimsAbout,
  judgeRelease,
  type FoundSignatures,
  type ReleaseAnswer,
  type ReleaseQuestion,
} from "../release/judge-release.ts";
import { packedSegments, type SegmentList } from "../release/segments.ts";
import { forEachAtOnce } from "./at-once.ts";
import { findSignatures, type FoundRelease } from "./open-release.ts";
import type { Descriptor } from "./documents.ts";
import type { ImageStore, StoreOptions } from "./store.ts";

/** Everything but what the store has. */
export type StoredQuestion = Omit<ReleaseQuestion, "release" | "claims" | "ecdsa">;

/** Whoever asks for no signature reads none. @throws what findSignatures throws */
export async function judgeStored(
  store: ImageStore,
  { index, release }: Pick<FoundRelease, "index" | "release">,
  question: StoredQuestion,
  options: StoreOptions = {},
): Promise<ReleaseAnswer> {
  const none: FoundSignatures = { simple: [], bundles: [] };
  const found = question.trusted ? await findSignatures(store, index, options) : none;
  return judgeRelease({ ...question, release, claims: claimsAbout(index.digest, found), ecdsa });
}

/** For whoever asks for a single key: it is no list that the release's could follow. */
export const withoutKeys = (found: FoundRelease): FoundRelease => ({ ...found, release: { ...found.release, keys: undefined } });

const LOOKS = 8;

/** Segments of a release that the store does not have, or not in that size; what is in them shows when they are pulled. */
export async function missingSegments(
  store: ImageStore,
  list: SegmentList,
  signal: AbortSignal | undefined,
): Promise<readonly Pick<Descriptor, "digest" | "size">[]> {
  const missing: Pick<Descriptor, "digest" | "size">[] = [];
  await forEachAtOnce(packedSegments(list), LOOKS, signal, async (segment, stop) => {
    if (!(await store.hasBlob(segment, { signal: stop }))) missing.push(segment);
  });
  return missing;
}
