/** Which of the releases that a source has is wanted. Pure. */
import type { UpdateChannel } from "../../config/updates/updates-config.ts";
import { compareSemver, isInRange, parseSemver, parseVersionRange } from "../../core/semver.ts";
import { compareReleases, type Dated } from "../../release/release-order.ts";
import type { KnownRelease, LeftRelease } from "../../layout/updates-state.ts";

/**
 * The newest one that the channel takes and that is newer than what runs. What is as old as one that fell back here is passed over, but for that itself: that it is
 * there is what a machine tells, and somebody may want it again.
 *
 * @param running nothing where nobody knows what runs
 */
export function chooseRelease(
  releases: readonly KnownRelease[],
  channel: UpdateChannel,
  running: (Dated & { readonly image: string }) | undefined,
  left: readonly LeftRelease[],
): KnownRelease | undefined {
  const range = "versions" in channel ? parseVersionRange(channel.versions) : undefined;
  const isTaken = ({ version, reference }: KnownRelease): boolean => {
    if ("digest" in channel) return reference.endsWith(`@${channel.digest}`);
    if ("tag" in channel) return true;
    const semver = parseSemver(version);
    return semver !== undefined && range !== undefined && isInRange(semver, range);
  };
  return releases
    .filter(isTaken)
    .filter((one) => !running || one.image === running.image || compareReleases(one, running) >= 0)
    .filter((one) =>
      left.every((other) => one.image === other.image || one.created > other.created || compareReleases(one, other) > 0),
    )
    .toSorted((a, b) => compareReleases(b, a))
    .at(0);
}

/** The tag of the newest version in a range: releases are pushed under their version. */
export function newestTag(tags: readonly string[], versions: string): string | undefined {
  const range = parseVersionRange(versions);
  return tags
    .flatMap((tag) => {
      const version = parseSemver(tag);
      return version && range && isInRange(version, range) ? [{ tag, version }] : [];
    })
    .toSorted((a, b) => compareSemver(b.version, a.version))
    .at(0)?.tag;
}
