import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { currentCaller } from "../../src/host/caller.ts";
import { run } from "../../src/host/run.ts";
import { TRIES_FILE } from "../../src/layout/disk.ts";
import { grubScript } from "../../src/layout/grub-script.ts";
import { firstRecord } from "../../src/layout/record.ts";
import { encodeTries } from "../../src/layout/tries.ts";
import { startVm } from "../../src/vm/vm.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";
import { LOADER_PROMPT, typeAtLoader } from "../vm/harness/keys.ts";
import { makeTestDisk, soundFiles } from "./test-disk.ts";

const firmwares = process.env["PETRIFY_TEST"] === "full" ? (["bios", "uefi"] as const) : (["bios"] as const);

for (const firmware of firmwares) {
  test(`a disk whose kernels are none says so of each, offers no prompt and restarts (${firmware})`, async () => {
    const tools = await testTools();
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-grub-"));
    const path = join(folder.path, "disk.raw");
    const record = firstRecord({ active: "b", slots: { a: { state: "proven" }, b: { state: "trial" } }, recovery: 2 });
    const input = {
      records: [record, []], // the second is in the place of the oem partition
      stores: [
        { recovery1: soundFiles, recovery2: soundFiles },
        { a: soundFiles, b: soundFiles },
      ],
      files: [{ path: TRIES_FILE, data: encodeTries({ a: 6, b: 3 }) }],
      script: grubScript,
    };
    await makeTestDisk(tools, input, path, folder.path);
    const host = { tools, caller: currentCaller(), run, folder: join(folder.path, "vm") };
    await using _ = await takeCore();
    await using vm = await startVm(host, { disks: [{ path, format: "raw" }], firmware, endOnReboot: true });
    for (const title of ["slot b", "slot a", "recovery 2", "recovery 1"]) {
      await vm.waitForConsole(new RegExp(`^petrify: ${title} does not boot: its kernel cannot be loaded$`, "m"));
    }
    await vm.waitForConsole("petrify: nothing on this disk boots: restarting in 10 seconds");
    await typeAtLoader(vm);
    assert.equal((await vm.exited).reason, "guest-reset");
    assert.doesNotMatch(vm.consoleText(), LOADER_PROMPT);
  });
}
