import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeInitSystem } from "../../host/init-system.ts";
import { fstab, type DataPartition } from "../../layout/fstab.ts";
import { checkFailedUnits } from "./failed-units.ts";

const signal = new AbortController().signal;
const FSTAB = fstab(new Set(["oem", "persistent"]), ["/home", "/var/lib/my-app"]);
const NONE: readonly DataPartition[] = [];

for (const [what, units, baseline, degraded, reason] of [
  ["nothing has failed", [], [], NONE, undefined],
  ["a unit has failed", ["a.service"], [], NONE, "a.service has failed"],
  ["two have", ["a.service", "b.service"], [], NONE, "a.service, b.service have failed"],
  ["it had failed before", ["a.service"], ["a.service"], NONE, undefined],
  ["one had failed before", ["a.service", "b.service"], ["a.service"], NONE, "b.service has failed"],
  ["what had failed before is well now", [], ["a.service"], NONE, undefined],
  ["the check of a degraded partition", ["petrify-fsck@persistent.service"], [], ["persistent"], undefined],
  [
    "mounts and helpers of a degraded partition",
    ["home.mount", "usr-local.mount", String.raw`var-lib-my\x2dapp.mount`, "petrify-grow.service", "petrify-persist.service"],
    [],
    ["persistent"],
    undefined,
  ],
  ["OpenRC's mount of a degraded partition", ["petrify-mount.persistent", "petrify-overlays"], [], ["persistent"], undefined],
  ["OpenRC's mount of the small partition", ["petrify-mount.oem"], [], ["oem"], undefined],
  ["OpenRC's mount of another", ["petrify-mount.persistent"], [], ["oem"], "petrify-mount.persistent has failed"],
  ["the small partition is degraded", ["oem.mount", "petrify-fsck@oem.service"], [], ["oem"], undefined],
  ["a mount of a partition that is well", ["oem.mount", "home.mount"], [], ["persistent"], "oem.mount has failed"],
  [
    "the check of a partition that is well",
    ["petrify-fsck@persistent.service"],
    [],
    ["oem"],
    "petrify-fsck@persistent.service has failed",
  ],
  ["a mount of no data partition", ["tmp.mount"], [], ["oem", "persistent"], "tmp.mount has failed"],
] as const) {
  test(`${what}: ${reason ?? "passes"}`, async () => {
    const init = fakeInitSystem();
    init.failedUnits = units;
    const outcome = await checkFailedUnits(init, { baseline, fstab: FSTAB, degraded: new Set(degraded) }, signal);
    assert.deepEqual(outcome, reason === undefined ? { ok: true } : { ok: false, reason });
  });
}
