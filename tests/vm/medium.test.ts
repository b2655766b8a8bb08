import assert from "node:assert/strict";
import { copyFile, open, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { mediumOfImage } from "../../src/build/medium.ts";
import { MiB } from "../../src/core/units.ts";
import { sha256File, sparseFile } from "../../src/host/files.ts";
import { openImage } from "../../src/host/image-file.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import { findOnMedium, MEDIUM_FAT, readMediumDescription, type MediumDescription } from "../../src/layout/medium.ts";
import type { RunFacts } from "../../src/layout/run-facts.ts";
import type { Firmware } from "../../src/vm/options.ts";
import type { NamedVm } from "../../src/vm/named-vm.ts";
import type { MediumKind } from "../../src/vm/medium-disks.ts";
import { petrify, workspace, type Workspace } from "../support/cli.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn, oneOf } from "./harness/choice.ts";
import { fixture, type Fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";

type Case = readonly [Firmware, MediumKind];
/** Each pair has both firmwares and both kinds. */
const PAIRS: readonly (readonly Case[])[] = [
  [
    ["bios", "cd"],
    ["uefi", "usb"],
  ],
  [
    ["bios", "usb"],
    ["uefi", "cd"],
  ],
];
const BUILT_IN = "#cloud-config\nnote: brought by the medium\n";
const ON_FAT = "#cloud-config\nnote: put onto the stick by a person\n";
/** GRUB's reading and the kernel's unpacking take longer than a boot from a disk. */
const READY_MS = 600_000;

suite("an install medium", { concurrency: 2 }, () => {
  let made: Fixture;
  let user: Workspace;
  let medium: MediumDescription;
  const at = (name: string): string => join(user.folder, name);
  before(async () => {
    made = await fixture();
    user = await workspace();
    await using _ = await takeCore();
    medium = await build("medium.iso", BUILT_IN);
  });
  after(async () => await user[Symbol.asyncDispose]());

  async function build(name: string, config: string): Promise<MediumDescription> {
    const programs = { tools: made.host.tools, media: await testTools("media") };
    await using work = await workspace();
    return await mediumOfImage(programs, { image: made.image, config }, at(name), work.folder);
  }

  for (const [firmware, kind] of oneOf(PAIRS).flat()) {
    test(`starts a healthy system from memory, with ${firmware} as ${kind}, and brings its machine config`, async () => {
      const [path, disk] = [at(`${firmware}-${kind}.iso`), at(`${firmware}-${kind}.raw`)];
      if (kind === "usb") await makeStick(path);
      else await copyFile(at("medium.iso"), path);
      await sparseFile(disk, medium.smallestDisk);
      await using booted = await machine(made, {
        ...{ firmware, memory: medium.memory },
        medium: { path, kind, disk: { path: disk, format: "raw" } },
      });
      const { guest } = booted;
      await guest.ready(READY_MS);
      const status = await statusOf(guest);
      assert.deepEqual([status.running, status.health.is, status.alarms], ["ram", "healthy", []]);
      const facts = JSON.parse(await guest.check("cat /run/petrify/boot.json")) as RunFacts;
      assert.deepEqual([facts.slot, facts.notes], ["ram", []]);
      const words = (await guest.check("cat /proc/cmdline")).split(" ");
      assert.ok(words.includes(`petrify.medium=${medium.id}`) && words.includes("petrify.installer"), words.join(" "));
      assert.equal(await guest.check("cat /run/petrify/machine.yaml"), (kind === "usb" ? ON_FAT : BUILT_IN).trim());
      assert.equal(await guest.check("stat -c '%a %U' /run/petrify/machine.yaml"), "600 root");
    });
  }

  /** As a person does: written by `petrify flash`, larger than the ISO, and a file put onto the partition that shows. */
  async function makeStick(path: string): Promise<void> {
    await sparseFile(path, 256 * MiB);
    const ran = await petrify(["flash", at("medium.iso"), path, "--yes"], { cwd: user.folder });
    assert.equal(ran.exitCode, 0, ran.stderr);
    await writeFile(at("machine.yaml"), ON_FAT);
    using image = openImage(path);
    const fat = decodeGpt(image.read, image.size, 512).partitions.find(({ number }) => number === MEDIUM_FAT.number)!;
    await made.host.tools.run(["mcopy", "-i", `${path}@@${fat.start}`, at("machine.yaml"), "::"], {
      binds: [{ source: user.folder, writable: true }],
    });
  }

  test("a VM that is made of it keeps a copy, beside an empty disk of the smallest size", { skip: inTurn(3) }, async () => {
    const state = at("state");
    const argv = ["vm", "create", "node", at("medium.iso"), "--uefi", "--medium", "usb"];
    const ran = await petrify(argv, { cwd: user.folder, env: { XDG_STATE_HOME: state } });
    assert.equal(ran.exitCode, 0, ran.stderr);
    const folder = join(state, "petrify/vms/node");
    const vm = JSON.parse(await readFile(join(folder, "vm.json"), "utf8")) as NamedVm;
    assert.deepEqual([vm.medium, vm.image], ["usb", { name: medium.name, version: medium.version }]);
    assert.equal((await stat(join(folder, "disk.raw"))).size, medium.smallestDisk);
    assert.equal(await sha256File(join(folder, "medium.iso")), await sha256File(at("medium.iso")));
  });

  const damages = [
    { file: "kernel", says: /petrify: this medium does not boot: a boot file does not match its SHA-256/ },
    // Damage that unpacks all the same is found by dm-verity.
    { file: "archive", says: /memory does not start: the initrd holds \d+ of the image's \d+ bytes|data block \d+ is corrupted/ },
  ] as const;
  const firmwares = ["uefi", "bios"] as const;
  const [first] = damages;
  const damaged = FULL
    ? damages.flatMap((damage) => firmwares.map((firmware) => ({ firmware, ...damage })))
    : oneOf(firmwares).map((firmware) => ({ firmware, ...first }));
  for (const { firmware, file, says } of damaged) {
    test(`with a damaged ${file} says so, with ${firmware}, and restarts`, { skip: inTurn(2) }, async () => {
      const path = at(`damaged-${file}-${firmware}.iso`);
      await copyFile(at("medium.iso"), path);
      using image = openImage(path);
      const { start, size } = findOnMedium(image.read, file);
      await using written = await open(path, "r+");
      const place = start + Math.floor(size / 2);
      await written.write(Uint8Array.of(image.read(place, 1)[0]! ^ 1), 0, 1, place);
      const disk = { path: at(`beside-${file}-${firmware}.raw`), format: "raw" } as const;
      await sparseFile(disk.path, 64 * MiB);
      await using booted = await machine(made, {
        ...{ firmware, memory: medium.memory, endOnReboot: true },
        medium: { path, kind: "cd", disk },
      });
      const { reason } = await booted.vm.exited;
      assert.equal(reason, "guest-reset");
      assert.match(booted.vm.consoleText().slice(-8000), says);
      assert.doesNotMatch(booted.vm.consoleText(), /login:/);
      if (file === "kernel") assert.doesNotMatch(booted.vm.consoleText(), /Linux version/);
    });
  }

  for (const firmware of FULL ? (["bios", "uefi"] as const) : []) {
    test(`installs by itself as its machine config says, with ${firmware}; the disk boots then`, async () => {
      const disk = at(`installed-${firmware}.raw`);
      {
        await using _ = await takeCore();
        await build(`auto-${firmware}.iso`, "#cloud-config\ninstall: { device: auto }\n");
      }
      using image = openImage(at(`auto-${firmware}.iso`));
      assert.equal(readMediumDescription(image.read).id, medium.id); // the config has no part in it
      await sparseFile(disk, medium.smallestDisk + 512 * MiB);
      await using booted = await machine(made, {
        ...{ firmware, memory: medium.memory },
        medium: { path: at(`auto-${firmware}.iso`), kind: "cd", disk: { path: disk, format: "raw", writes: "keep" } },
      });
      const { guest } = booted;
      await guest.ready(READY_MS); // in memory
      await guest.ready(3 * READY_MS); // from the disk, after all of it was written
      const status = await statusOf(guest);
      assert.deepEqual([status.running, status.health.is], ["a", "healthy"]);
      assert.match(await guest.check("cat /oem/machine.yaml"), /device: auto/);
    });
  }
});
