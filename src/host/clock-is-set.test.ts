import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { clockIsSet, kernelClockError } from "./clock-is-set.ts";

const NOW = 1_800_000_000;
const UNKNOWN = 16_000_000n;
for (const [name, hardware, synchronized, error, why] of [
  ["a hardware clock with the same time", `${NOW - 3}\n`, false, UNKNOWN, "the hardware's clock agrees with it"],
  ["one that has the local time", `${NOW + 14 * 3600}\n`, false, UNKNOWN, "the hardware's clock agrees with it"],
  ["one that has stood still since", `${NOW - 400 * 86_400}\n`, false, UNKNOWN, /^NTP has not.*the hardware's says 2025-12-11$/],
  ["one at the beginning of time", "0\n", false, UNKNOWN, /the hardware's says 1970-01-01$/],
  ["none", undefined, false, UNKNOWN, /it has none that runs without power$/],
  ["one that says nothing of use", "x\n", false, UNKNOWN, /it has none that runs without power$/],
  ["one that says a time that is none", `${"9".repeat(20)}\n`, false, UNKNOWN, /it has none that runs without power$/],
  ["none, and a server that was heard from", undefined, true, UNKNOWN, "systemd-timesyncd has heard from a server"],
  ["none, and chrony, which keeps the kernel's", undefined, false, 15_999_999n, "NTP keeps it"],
  ["a kernel that cannot be asked", undefined, false, undefined, /it has none that runs without power$/],
] as const) {
  test(`with ${name}, the clock is ${typeof why === "string" ? "set" : "not set"}`, async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-clock-"));
    const places = { hardware: join(folder.path, "since_epoch"), synchronized: join(folder.path, "synchronized") };
    if (hardware !== undefined) await writeFile(places.hardware, hardware);
    if (synchronized) await writeFile(places.synchronized, "");
    const found = await clockIsSet(NOW, { ...places, error: () => error });
    assert.equal(found.isSet, typeof why === "string");
    if (typeof why === "string") assert.equal(found.why, why);
    else assert.match(found.why, why);
  });
}

test("the kernel says how far off its clock may be, and that is no more than it ever says", () => {
  const error = kernelClockError();
  assert.ok(error !== undefined && error >= 0n && error <= UNKNOWN, String(error));
});
