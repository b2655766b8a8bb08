/** `petrify verify` of a release in a store: whether it is complete, and whether machines would take it. */
import { dateText } from "../core/date-text.ts";
import { sha256 } from "../host/sha256.ts";
import { secondsNow } from "../host/wall-clock.ts";
import { judgeStored, missingSegments, withoutKeys } from "../registry/judge-stored.ts";
import { openRelease, readSegments, type FoundRelease } from "../registry/open-release.ts";
import type { ReleaseAnswer } from "../release/judge-release.ts";
import { ARCHITECTURE } from "../release/manifest.ts";
import type { Told } from "../release/may-upgrade.ts";
import { trustedKey, trustedKeys, type TrustedKeys } from "../release/trusted-keys.ts";
import type { CliContext } from "./context.ts";
import { publicKeyOf, readKeyList } from "./keys/list-file.ts";
import { openNamedStore, wantedOf, type StoreOptionsOfUser } from "./named-store.ts";
import { UsageError } from "./output.ts";

export interface TrustOptions extends StoreOptionsOfUser {
  readonly key?: readonly string[];
  readonly trust?: string;
  readonly expired?: boolean;
}

/** @param name of a release, as a reference */
export async function verifyRelease(context: CliContext, name: string, options: TrustOptions): Promise<void> {
  const { output, progress, signal } = context;
  const trusted = await trustedOf(context, options);
  using named = await openNamedStore(name, context, options);
  const { store } = named;
  const wanted = wantedOf(named.reference);
  if (wanted === undefined)
    throw new UsageError("USAGE", `${name} names no release`, { hint: "Add a tag (:1.4.0) or a digest (@sha256:…)." });
  const found = await openRelease(store, wanted, { architecture: ARCHITECTURE, signal });
  const missing = await progress.step(
    "look for its segments",
    async () => await missingSegments(store, await readSegments(store, found, { signal }), signal),
  );
  const told = new Set<Told>(options.expired ? ["expired"] : []);
  const judged = options.trust === undefined ? withoutKeys(found) : found;
  const question = { running: undefined, trusted, now: secondsNow(), clockIsSet: true, told };
  const answer = await progress.step("judge it", async () => await judgeStored(store, judged, question, { signal }));
  const { release, index } = found;
  const { name: image, version, created, expires, channel, keys } = release;
  const refusal = answer.allowed
    ? undefined
    : { code: answer.refusal.code, message: answer.refusal.message, hint: answer.refusal.hint };
  const value = {
    ...{
      complete: missing.length === 0,
      taken: answer.allowed,
      digest: index.digest,
      name: image,
      version,
      created,
      expires,
      channel,
    },
    ...{ signedBy: answer.allowed ? answer.signedBy : undefined, asked: trusted !== undefined, keys: keys?.epoch, refusal },
    missing: missing.map(({ digest }) => digest),
  };
  output.result(value, releaseText(found, answer, { asked: trusted !== undefined, missing: missing.length }));
  if (missing.length > 0 || !answer.allowed) context.endWith(1);
}

/** @throws AppError, UsageError where nobody can say whom is meant */
async function trustedOf(context: CliContext, { key, trust }: TrustOptions): Promise<TrustedKeys | undefined> {
  if (key !== undefined && trust !== undefined)
    throw new UsageError("USAGE", "--key and --trust say the same in two ways: use one");
  if (trust !== undefined) return await readKeyList(context, trust);
  if (key === undefined) return undefined;
  const keys = await Promise.all(key.map(async (file) => trustedKey(await publicKeyOf(context, file), sha256)));
  return trustedKeys(1, keys);
}

function releaseText(
  { release, index }: FoundRelease,
  answer: ReleaseAnswer,
  { asked, missing }: { readonly asked: boolean; readonly missing: number },
): string {
  const { name, version, created, expires, keys } = release;
  const signature = !asked
    ? "nobody was asked for: name a key with --key, or a list with --trust"
    : answer.allowed
      ? `by ${answer.signedBy}`
      : "not good";
  const head = missing > 0 ? "is NOT COMPLETE" : answer.allowed ? (asked ? "is good" : "is complete") : "is NOT TAKEN";
  return [
    `${name} ${version} ${head}`,
    ...[
      `digest     ${index.digest}`,
      `created    ${dateText(created)}${expires === undefined ? "" : `, expires ${dateText(expires)}`}`,
    ],
    ...(keys ? [`keys       brings the list of epoch ${keys.epoch}`] : []),
    `signature  ${signature}`,
    ...(missing > 0 ? [`missing    ${missing} segments: push it again`] : []),
    ...(answer.allowed ? [] : [`refused    ${answer.refusal.message} (${answer.refusal.code})`]),
  ].join("\n");
}
