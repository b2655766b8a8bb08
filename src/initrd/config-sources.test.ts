import assert from "node:assert/strict";
import { test } from "node:test";
import { isoVolume } from "../../tests/support/iso-volumes.ts";
import { mayHaveConfig } from "./config-sources.ts";
import { fakeSys, type FakeSys } from "./fake-sys.ts";

const CMDLINE = "petrify.slot=a quiet";
/** A machine with a disk and an empty CD drive. */
function machine(files: Readonly<Record<string, string>> = {}, volumes: Readonly<Record<string, Uint8Array>> = {}): FakeSys {
  const sys = fakeSys({
    "/proc/cmdline": CMDLINE,
    "/oem/install.json": "{}",
    "/sys/class/dmi/id/sys_vendor": "QEMU\n",
    "/sys/class/dmi/id/product_serial": "\n",
    "/sys/class/block/sr0/size": "0\n",
    "/sys/bus/scsi/devices/0:0:0:0/type": "5\n",
    "/sys/bus/scsi/devices/0:0:0:0/block/sr0/size": "0\n",
    ...files,
  });
  for (const [name, data] of Object.entries({ vda: new Uint8Array(64 * 1024), ...volumes })) {
    sys.files.set(`/sys/class/block/${name}/size`, "128\n");
    sys.blocks.set(`/dev/${name}`, { size: data.length, patches: [{ offset: 0, data }] });
  }
  return sys;
}
const labelled = (label: string): Uint8Array => {
  const bytes = Uint8Array.from(isoVolume("genisoimage -V CIDATA -J -r"));
  bytes.set(new TextEncoder().encode(label.padEnd(32)), 16 * 2048 + 40);
  return bytes;
};

test("a machine whose config comes from nowhere has none", () => {
  assert.equal(mayHaveConfig(machine()), false);
  const others = {
    "/oem/notes.txt": "x",
    "/oem/.hidden.yaml": "x",
    "/oem/site.yaml~": "x",
    "/usr/local/cloud-config.yaml": "x",
    "/sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw": "{}",
    "/proc/cmdline": `${CMDLINE} ds=openstack config_urls=http://a/`,
  };
  assert.equal(mayHaveConfig(machine(others, { sda1: labelled("PHOTOS"), loop0: labelled("CIDATA") })), false);
});

for (const [what, files] of [
  ["a file of the oem partition", { "/oem/50-site.yaml": "" }],
  ["a config that was applied before", { "/oem/petrify/config/12/compiled": "" }],
  ["what it was installed with", { "/oem/machine.yaml": "" }],
  ["a file of the data partition", { "/usr/local/cloud-config/a.yml": "" }],
  ["a file of the image", { "/usr/lib/petrify/config.d/a.yaml": "" }],
  ["what came with the initrd", { "/run/petrify/machine.yaml": "" }],
  ["a file of QEMU", { "/sys/firmware/qemu_fw_cfg/by_name/opt/org.petrify/config/raw": "" }],
  ["a URL of the command line", { "/proc/cmdline": `${CMDLINE} config_url=http://a/` }],
  ["NoCloud of the command line", { "/proc/cmdline": `${CMDLINE} "ds=nocloud;s=http://a/"` }],
  ["EC2 of the command line", { "/proc/cmdline": `${CMDLINE} ds=ec2` }],
  ["NoCloud of the serial number", { "/sys/class/dmi/id/product_serial": "ds=nocloud-net;s=http://a/\n" }],
  ["a machine of EC2", { "/sys/class/dmi/id/sys_vendor": "Amazon EC2\n" }],
] as const) {
  test(`it may come from ${what}`, () => assert.equal(mayHaveConfig(machine(files)), true));
}

for (const label of ["CIDATA", "cidata", "config-2", "CONFIG-2"]) {
  test(`it may come from a volume ${label}`, () => assert.equal(mayHaveConfig(machine({}, { sr1: labelled(label) })), true));
}

test("a disk that cannot be read keeps nobody from looking at the next one", () => {
  const sys = machine({}, { sda: new Uint8Array(10), sdb: labelled("cidata") });
  sys.refuses.set("open /dev/sda", 5);
  assert.equal(mayHaveConfig(sys), true);
});

test("a CD drive whose driver is still to come is waited for, and not for long", () => {
  const sys = machine({ "/sys/bus/scsi/devices/1:0:0:0/type": "5\n" });
  let pauses = 0;
  sys.pause = () => {
    if (++pauses < 50) return;
    sys.files.set("/sys/bus/scsi/devices/1:0:0:0/block/sr1/size", "128\n");
    sys.files.set("/sys/class/block/sr1/size", "128\n");
    const data = labelled("cidata");
    sys.blocks.set("/dev/sr1", { size: data.length, patches: [{ offset: 0, data }] });
  };
  assert.equal(mayHaveConfig(sys), true);
  const never = machine({ "/sys/bus/scsi/devices/1:0:0:0/type": "5\n" });
  const since = never.now();
  assert.equal(mayHaveConfig(never), false);
  assert.ok(never.now() - since < 3000);
});
