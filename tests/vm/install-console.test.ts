import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { MiB } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { run } from "../../src/host/run.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { FULL, inTurn, oneOf } from "./harness/choice.ts";
import { fixture, type Fixture } from "./harness/fixture.ts";
import { blankDisk, installer } from "./harness/installer.ts";
import { machine } from "./harness/machine.ts";

const LONG = { timeoutMs: 600_000 } as const;
const CONFIG = "#cloud-config\nhostname: seven\ninstall: { device: auto, after: poweroff }\n";
const MEDIUM = "petrify.medium=0123456789abcdef0123456789abcdef";

/** A blank disk, and a smaller one with swap, for which `auto` would have to be told. */
async function disks(folder: string, { disk }: Fixture): Promise<{ readonly blank: string; readonly used: string }> {
  using whole = openImage(disk);
  const blank = await blankDisk(join(folder, "blank"), whole.size + 512 * MiB);
  const used = await blankDisk(join(folder, "used"), whole.size + 256 * MiB);
  await run(["mkswap", "--quiet", "--label", "photos", used]);
  return { blank, used };
}

/** A stick that a person has prepared. */
async function cloudVolume(folder: string, { host: { tools } }: Fixture): Promise<string> {
  const path = await blankDisk(join(folder, "stick"), 8 * MiB);
  await writeFile(join(folder, "user-data"), CONFIG);
  const options = { binds: [{ source: folder, target: "/tmp/d", writable: true }], env: { MTOOLS_SKIP_CHECK: "1" } };
  await tools.run(["mkfs.vfat", "-n", "CIDATA", "/tmp/d/stick"], options);
  await tools.run(["mcopy", "-i", "/tmp/d/stick", "/tmp/d/user-data", "::user-data"], options);
  return path;
}

/** Where somebody wants to look at the screens. */
const SCREENS = process.env["PETRIFY_SCREENS"];
async function keepScreen(vm: Vm, name: string): Promise<void> {
  if (SCREENS === undefined) return;
  await writeFile(join(SCREENS, `${name}.png`), await vm.screenshot());
  await writeFile(join(SCREENS, `${name}.txt`), vm.consoleText());
}

/** From the list on: what was stopped can be repeated. */
async function installToTheEnd(vm: Vm): Promise<void> {
  vm.sendConsole("2\r");
  await vm.waitForConsole("Type vdb to go on", LONG);
  vm.sendConsole("vdb\r");
  await vm.waitForConsole(/petrify-test \S+ is installed on \/dev\/vdb/, LONG);
  await vm.waitForConsole(/Fingerprint of the new machine:\n {2}SHA256:\S{43}\n[^]*Remove the medium now\.\n[^\n]*\n> /);
  await keepScreen(vm, "done");
}

suite("an installer", { concurrency: 1 }, () => {
  test(
    "asks on the serial console what to install where, takes only the disk's name for an answer, and can be stopped",
    { skip: inTurn(0) },
    async () => {
      const made = await fixture();
      await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-install-"));
      const { blank, used } = await disks(folder.path, made);
      {
        await using booted = await installer(made, { words: "petrify.installer", disks: [used, blank] });
        const { vm } = booted;
        await vm.waitForConsole(
          /\n {2}1 {2}\/dev\/vda [^\n]*\n {5}holds data: swap "photos"\n\n {2}2 {2}\/dev\/vdb [^\n]*\n {5}blank\n/,
          LONG,
        );
        await vm.waitForConsole(/Type a number[^\n]*\n> /);
        await keepScreen(vm, "list");
        vm.sendConsole("2\r");
        await vm.waitForConsole("Type vdb to go on, or just Enter to go back.\n> ", LONG);
        vm.sendConsole("vda\r");
        await vm.waitForConsole("That is not vdb: nothing was done.");
        await vm.waitForConsole(/Type a number[^\n]*\n> /, LONG);
        vm.sendConsole("1\r");
        await vm.waitForConsole(/This is going to be lost:\n {2}swap "photos"\n[^]*Type vda to go on, [^\n]*\n> /, LONG);
        await keepScreen(vm, "confirm");
        vm.sendConsole("\r");
        await vm.waitForConsole(/Nothing was done\.[^]*Type a number[^\n]*\n> /, LONG);
        vm.sendConsole("2\r");
        await vm.waitForConsole("Type vdb to go on", LONG);
        vm.sendConsole("vdb\r");
        await vm.waitForConsole(/writing {2}\d+ %/, LONG);
        await keepScreen(vm, "progress");
        vm.sendConsole("\u0003");
        await vm.waitForConsole(/Stop the installation\?[^]*\n> /);
        vm.sendConsole("stop\r");
        await vm.waitForConsole(/error: the installation was stopped\n\nNothing boots from that disk\.[^]*\n> /, LONG);
        vm.sendConsole("r\r");
        await vm.waitForConsole(/ 2 {2}\/dev\/vdb [^\n]*\n {5}blank\n[^]*Type a number[^\n]*\n> /, LONG);
        if (FULL) await installToTheEnd(vm);
        vm.sendConsole("p\r");
        assert.equal((await vm.exited).reason, "guest-shutdown");
      }
      if (!FULL) return;
      await using booted = await machine({ ...made, disk: blank });
      await booted.guest.ready();
    },
  );

  for (const source of oneOf(["a machine config beside the image", "a cidata volume"] as const)) {
    test(`installs by itself what ${source} says, and not a second time from the same medium`, { skip: inTurn(4) }, async () => {
      const made = await fixture();
      await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-install-"));
      const { blank, used } = await disks(folder.path, made);
      const words = `petrify.installer ${MEDIUM}`;
      const given =
        source === "a cidata volume"
          ? { words, disks: [used, blank, await cloudVolume(folder.path, made)] }
          : { words, config: CONFIG, disks: [used, blank] };
      {
        await using booted = await installer(made, given);
        const { vm } = booted;
        await vm.waitForConsole(/An installation is under way[^]*is installed on \/dev\/vdb/, LONG);
        await keepScreen(vm, "automatic");
        assert.equal((await vm.exited).reason, "guest-shutdown");
      }
      if (!FULL) return;
      {
        await using again = await installer(made, given);
        await again.vm.waitForConsole(/already installed: \/dev\/vdb /, LONG);
        await keepScreen(again.vm, "already");
      }
      await using booted = await machine({ ...made, disk: blank });
      await booted.guest.ready();
      assert.equal(await booted.guest.check("cat /oem/machine.yaml"), CONFIG.trim());
    });
  }

  test("is on the consoles of OpenRC too", { skip: FULL ? false : "only in full runs" }, async () => {
    const made = await fixture({ init: "openrc" });
    await using booted = await installer(made, { words: "petrify.installer", disks: [] });
    const { vm } = booted;
    await vm.waitForConsole(/There is no disk in this machine\.[^]*Type r to look again[^\n]*\n> /, LONG);
    vm.sendConsole("p\r");
    assert.equal((await vm.exited).reason, "guest-shutdown");
  });
});
