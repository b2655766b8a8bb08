/** Whoever has the keyboard or the serial line while GRUB is at work. What the same keys do at a machine's own script: dead-end.test.ts, ../vm/sealed.test.ts */
import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { currentCaller } from "../../src/host/caller.ts";
import { run } from "../../src/host/run.ts";
import { grubConsoles, lines } from "../../src/layout/grub-script.ts";
import { startVm, type Vm } from "../../src/vm/vm.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";
import { press, typeAtLoader } from "../vm/harness/keys.ts";
import { makeTestDisk } from "./test-disk.ts";

const firmwares = process.env["PETRIFY_TEST"] === "full" ? (["bios", "uefi"] as const) : (["bios"] as const);
const LOCK = "set superusers=nobody\n";
const START = `echo "petrify: a script of the test's own"`;
/** As distributions have it: it is not seen unless somebody asks for it. */
const MENU = ["set timeout_style=hidden", "set timeout=600", `menuentry "a system" { true; }`];

for (const firmware of firmwares) {
  test(`the keys that nothing listens to in a machine's loader get the menu, the prompt and the editor of one that has them (${firmware})`, async () => {
    assert.ok(grubConsoles().includes(LOCK));
    await typed(firmware, lines(grubConsoles().replace(LOCK, ""), START, ...MENU), async (vm) => {
      await vm.waitForConsole("GNU GRUB");
      await vm.waitForConsole("grub>");
      await press(vm, "esc");
      await vm.waitForConsole("a system");
      await press(vm, "e");
      await vm.waitForConsole("Emacs-like screen editing");
    });
  });

  test(`a script that ends without a restart leaves a prompt that is locked: it asks for a name, and nobody has one (${firmware})`, async () => {
    await typed(firmware, lines(grubConsoles(), START), async (vm) => {
      await vm.waitForConsole("Enter username:");
      assert.doesNotMatch(vm.consoleText(), /grub>/);
    });
  });
}

/** Boots a disk that has only GRUB with that script, and types while it is at work. */
async function typed(firmware: "bios" | "uefi", script: string, then: (vm: Vm) => Promise<void>): Promise<void> {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-grub-"));
  const path = join(folder.path, "disk.raw");
  await makeTestDisk(tools, { records: [], stores: [], files: [], script: () => script }, path, folder.path);
  const host = { tools, caller: currentCaller(), run, folder: join(folder.path, "vm") };
  await using _ = await takeCore();
  await using vm = await startVm(host, { disks: [{ path, format: "raw" }], firmware, endOnReboot: true });
  await vm.waitForConsole("petrify: ");
  await typeAtLoader(vm);
  await then(vm);
}
