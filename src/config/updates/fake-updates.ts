/** @portable Settings of updates for tests. */
import type { UpdatesConfig } from "./updates-config.ts";

export const fakeUpdates = (about: Partial<UpdatesConfig>): UpdatesConfig => ({
  source: "registry.example/edge",
  channel: { tag: "stable" },
  check: { every: 6 * 3600, jitter: 0 },
  mode: "notify",
  windows: [],
  exceptions: [],
  minAge: 0,
  metered: "wait",
  retry: { first: 300, longest: 6 * 3600 },
  ...about,
});
