import assert from "node:assert/strict";
import { test } from "node:test";
import { GiB } from "../core/units.ts";
import type { NamedVm } from "./named-vm.ts";
import { qemuArgv } from "./qemu-argv.ts";
import { vmOptions } from "./supervisor.ts";

const VM: NamedVm = {
  ...{ format: 1, name: "web", source: { path: "/srv/web.img", sha256: "a".repeat(64) } },
  ...{ disk: { format: "qcow2" }, firmware: "uefi", memory: GiB, cpus: 2, forwards: [], online: false },
};
const CHOICE = { accelerator: "tcg", reason: "as asked for" } as const;

test("a VM keeps what it writes: on its disk, and in the variables of its firmware", () => {
  const options = vmOptions(VM, "/vms/web", CHOICE);
  assert.deepEqual(options.disks, [{ path: "/vms/web/disk.qcow2", format: "qcow2", writes: "keep" }]);
  assert.equal(options.variables, "/vms/web/firmware-variables.fd");
  assert.match(qemuArgv(options).join(" "), /"node-name":"variables","read-only":false,[^ ]*"\/vm\/firmware-variables\.fd"/);
  assert.equal(vmOptions({ ...VM, firmware: "bios" }, "/vms/web", CHOICE).variables, undefined);
});

test("a VM finds its machine config on the last disk, which it cannot change", () => {
  const { disks } = vmOptions({ ...VM, medium: "cd", config: { sha256: "b".repeat(64) } }, "/vms/web", CHOICE);
  assert.deepEqual(
    disks.map(({ path, readOnly }) => [path, readOnly]),
    [
      ["/vms/web/disk.qcow2", undefined],
      ["/vms/web/medium.iso", undefined],
      ["/vms/web/config.raw", true],
    ],
  );
});

test("a VM reaches no network unless it was made so, and its ports are on this machine only", () => {
  const line = (vm: NamedVm): string => qemuArgv(vmOptions(vm, "/vms/web", CHOICE)).join(" ");
  assert.match(line(VM), /restrict=on/);
  assert.match(line({ ...VM, online: true }), /restrict=off/);
  assert.match(line({ ...VM, forwards: [{ host: 8080, guest: 80 }] }), /restrict=on,hostfwd=tcp:127\.0\.0\.1:8080-:80/);
});
