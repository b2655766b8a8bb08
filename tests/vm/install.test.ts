import assert from "node:assert/strict";
import { mkdtempDisposable, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { MiB } from "../../src/core/units.ts";
import { openImage } from "../../src/host/image-file.ts";
import { run } from "../../src/host/run.ts";
import { decodeGpt } from "../../src/layout/gpt.ts";
import type { VmDisk } from "../../src/vm/options.ts";
import type { InstallDisk, Installed } from "../../src/layout/install.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, oneOf } from "./harness/choice.ts";
import { fixture, type Fixture, type FixtureOptions } from "./harness/fixture.ts";
import type { Guest } from "./harness/guest.ts";
import { machine } from "./harness/machine.ts";

const MORE = 512 * MiB;
const INSTALL_LIMIT_MS = 600_000;

/** Results and errors of a command with --json. */
async function told(guest: Guest, script: string): Promise<Record<string, unknown>[]> {
  const { output } = await guest.run(`${script} --json 2>/dev/null`, INSTALL_LIMIT_MS);
  return output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
const resultOf = (lines: readonly Record<string, unknown>[]): unknown => {
  const last = lines.at(-1)!;
  assert.equal(last["type"], "result", JSON.stringify(last));
  return last["value"];
};

/** A disk of that size with nothing on it, and a small one with swap. */
async function disks(folder: string, { disk }: Fixture): Promise<{ readonly blank: string; readonly used: string }> {
  using whole = openImage(disk);
  const [blank, used] = [join(folder, "blank"), join(folder, "used")];
  for (const path of [blank, used]) {
    await writeFile(path, "");
    await truncate(path, whole.size + MORE);
  }
  await run(["mkswap", "--quiet", "--label", "photos", used]);
  return { blank, used };
}

/** Another init without udev, and a disk with other sectors, only where there is time. */
const CASES: readonly (readonly [what: string, options: FixtureOptions, disk: Pick<VmDisk, "controller" | "sectorSize">])[] = [
  ["systemd, virtio", {}, {}],
  ...(FULL
    ? ([
        [
          "busybox and OpenRC, NVMe with large sectors",
          { base: "busybox", init: "openrc" },
          { controller: "nvme", sectorSize: 4096 },
        ],
      ] as const)
    : []),
];

suite("a system that runs from memory", { concurrency: 1 }, () => {
  for (const [what, options, kind] of CASES)
    test(`${what}: installs itself to a blank disk beside others, which then boots as a machine of its own`, async (t) => {
      const made = await fixture(options);
      await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-install-"));
      const { blank, used } = await disks(folder.path, made);
      let installed: Installed;
      let installer: string;
      {
        const beside = [
          { ...kind, path: blank, writes: "keep", readOnly: false } as const,
          { path: used, readOnly: false },
          { path: made.disk },
        ];
        await using booted = await machine(made, { ram: true, beside });
        const { guest } = booted;
        await guest.ready();
        installer = await guest.check("cat /etc/machine-id");
        const { disks: found } = resultOf(await told(guest, "petrify install --list")) as {
          readonly disks: readonly InstallDisk[];
        };
        const [empty, data, other] = [0, 1, 2].map((n) => found.find(({ target }) => target.serial === `petrify${n}`)!);
        assert.deepEqual(
          [empty, data, other].map((one) => one!.refusals.map(({ code }) => code)),
          [[], ["DEVICE_HOLDS_DATA"], ["DEVICE_READ_ONLY", "DEVICE_HOLDS_DATA"]],
        );
        assert.deepEqual(data!.target.found, ['swap "photos"']);
        assert.match(other!.target.found.join(), /^petrify-test \S+, a disk of petrify's,/);
        const refused = (await told(guest, "petrify install serial:petrify1 --yes")).at(-1)!;
        assert.equal(refused["code"], "DEVICE_HOLDS_DATA");
        assert.equal(refused["message"], `${data!.target.path} holds data: swap "photos"`);
        await guest.check("printf '#cloud-config\\nhostname: seven\\n' >/tmp/machine.yaml");
        const lines = await told(guest, "petrify install auto --config /tmp/machine.yaml --after stay --yes");
        installed = resultOf(lines) as Installed;
        assert.match(String(lines[0]!["rule"]), /^auto: \S+ is the only disk that may be overwritten \(blank and built in\)/);
        assert.equal(installed.disk, empty!.target.path);
        t.diagnostic(`installed in ${installed.seconds} s`);
        assert.match(installed.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
        const again = (await told(guest, "petrify install serial:petrify0 --yes")).at(-1)!;
        assert.match(String(again["message"]), /holds data: petrify-test \S+, a disk of petrify's; a partition table \(GPT\)/);
      }
      for (const firmware of kind.sectorSize === 4096 ? (["uefi"] as const) : oneOf(["bios", "uefi"] as const)) {
        // Two more disks, whose GUIDs are the same.
        await using booted = await machine(
          { ...made, disk: blank },
          { firmware, disk: kind, beside: [{ path: made.disk }, { path: made.disk }] },
        );
        const { guest, vm } = booted;
        await guest.ready();
        const status = await statusOf(guest, ({ health, state }) => health.is !== "starting" && state !== "trial");
        assert.deepEqual([status.running, status.state, status.health.is], ["a", "proven", "healthy"]);
        assert.deepEqual([status.alarms, status.fingerprint], [[], installed.fingerprint]);
        assert.notEqual(status.machine.id, installer);
        assert.equal(await guest.check("cat /oem/machine.yaml"), "#cloud-config\nhostname: seven");
        assert.equal(await guest.check("stat -c '%a %u' /oem/machine.yaml /oem/identity/node-key.pem"), "600 0\n600 0");
        const device = await guest.check("basename $(readlink -f /run/petrify/dev/persistent)");
        using written = openImage(blank);
        const { start } = decodeGpt(written.read, written.size, 512).partitions.at(-1)!;
        assert.equal(512 * Number(await guest.check(`cat /sys/class/block/${device}/size`)), written.size - MiB - start);
        const refused = (await told(guest, "petrify install --list")).at(-1)!;
        assert.equal(refused["code"], "NOT_AN_INSTALLER");
        assert.equal(vm.consoleText().match(/cannot be (changed|stored|read)/g), null);
      }
    });
});
