import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { clockIsSet } from "./clock-is-set.ts";

const NOW = 1_800_000_000;
for (const [name, hardware, synchronized, isSet] of [
  ["a hardware clock with the same time", `${NOW - 3}\n`, false, true],
  ["one that has the local time", `${NOW + 14 * 3600}\n`, false, true],
  ["one that has stood still since", `${NOW - 400 * 86_400}\n`, false, false],
  ["one at the beginning of time", "0\n", false, false],
  ["none", undefined, false, false],
  ["one that says nothing of use", "x\n", false, false],
  ["none, and a server that was heard from", undefined, true, true],
] as const) {
  test(`with ${name}, the clock is ${isSet ? "set" : "not set"}`, async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-clock-"));
    const places = { hardware: join(folder.path, "since_epoch"), synchronized: join(folder.path, "synchronized") };
    if (hardware !== undefined) await writeFile(places.hardware, hardware);
    if (synchronized) await writeFile(places.synchronized, "");
    assert.equal(await clockIsSet(NOW, places), isSet);
  });
}
