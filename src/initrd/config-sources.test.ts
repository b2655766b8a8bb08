import assert from "node:assert/strict";
import { test } from "node:test";
import { isoVolume } from "../../tests/support/iso-volumes.ts";
import { encodeRunFacts } from "../layout/run-facts.ts";
import { hasConfigWork } from "./config-sources.ts";
import { fakeSys, type FakeSys } from "./fake-sys.ts";

const CMDLINE = "petrify.slot=a quiet";
const facts = (slot: "a" | "recovery"): string =>
  encodeRunFacts({ slot, file: "/a.img", rootHash: "", partitions: {}, notes: [], reached: {} });
/** A machine that is in want of a config, with a disk and an empty CD drive. */
function machine(files: Readonly<Record<string, string>> = {}, volumes: Readonly<Record<string, Uint8Array>> = {}): FakeSys {
  const sys = fakeSys({
    "/proc/cmdline": CMDLINE,
    "/oem/install.json": "{}",
    "/run/petrify/boot.json": facts("a"),
    "/run/petrify/config-wanted": "there is none\n",
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
  assert.equal(hasConfigWork(machine()), false);
  const others = {
    "/oem/notes.txt": "x",
    "/oem/.hidden.yaml": "x",
    "/oem/site.yaml~": "x",
    "/usr/local/cloud-config.yaml": "x",
    "/sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw": "{}",
    "/proc/cmdline": `${CMDLINE} ds=openstack config_urls=http://a/`,
  };
  assert.equal(hasConfigWork(machine(others, { sda1: labelled("PHOTOS"), loop0: labelled("CIDATA") })), false);
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
  test(`it may come from ${what}`, () => assert.equal(hasConfigWork(machine(files)), true));
}

for (const label of ["CIDATA", "cidata", "config-2", "CONFIG-2"]) {
  test(`it may come from a volume ${label}`, () => assert.equal(hasConfigWork(machine({}, { sr1: labelled(label) })), true));
}

test("a disk that cannot be read keeps nobody from looking at the next one", () => {
  const sys = machine({}, { sda: new Uint8Array(10), sdb: labelled("cidata") });
  sys.refuses.set("open /dev/sda", 5);
  assert.equal(hasConfigWork(sys), true);
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
  assert.equal(hasConfigWork(sys), true);
  const never = machine({ "/sys/bus/scsi/devices/1:0:0:0/type": "5\n" });
  const since = never.now();
  assert.equal(hasConfigWork(never), false);
  assert.ok(never.now() - since < 3000);
});

const SEEN = "/oem/petrify/config/sources";
const NOW = "/run/petrify/config-sources";
/** A machine that has a config of these files and volumes, at the boot after it was made. */
function configured(files: Readonly<Record<string, string>>, volumes: Readonly<Record<string, Uint8Array>> = {}): FakeSys {
  const sys = machine({ "/oem/petrify/config/1/compiled": "x", ...files }, volumes);
  assert.equal(hasConfigWork(sys), true);
  sys.files.set(SEEN, sys.files.get(NOW));
  sys.files.delete("/run/petrify/config-wanted");
  return sys;
}
const written = (volume: Uint8Array): Uint8Array => {
  const bytes = Uint8Array.from(volume);
  bytes[40_000]! ^= 1;
  return bytes;
};
const SITE = { "/oem/site.yaml": "#cloud-config\nhostname: a\n" };

test("what lies where it lay keeps a machine with its config from looking again, without a word of it being stored", () => {
  const sys = configured(
    { ...SITE, "/proc/cmdline": `${CMDLINE} config_url=http://a/?token=hunter2` },
    { sr1: labelled("cidata") },
  );
  assert.equal(hasConfigWork(sys), false);
  assert.doesNotMatch(sys.readText(NOW), /hunter2|hostname/);
});

for (const [what, change] of [
  ["a file of the oem partition has changed", (sys) => sys.files.set("/oem/site.yaml", "#cloud-config\nhostname: b\n")],
  ["one is new", (sys) => sys.files.set("/usr/local/cloud-config/a.yaml", "#cloud-config\n")],
  ["one is gone", (sys) => sys.files.delete("/oem/site.yaml")],
  ["a volume is gone", (sys) => sys.blocks.delete("/dev/sr1")],
  [
    "another volume is there",
    (sys) => {
      const data = written(labelled("cidata"));
      sys.blocks.set("/dev/sr1", { size: data.length, patches: [{ offset: 0, data }] });
    },
  ],
  ["the command line has another URL", (sys) => sys.files.set("/proc/cmdline", `${CMDLINE} config_url=http://b/`)],
  ["the disk is in another machine", (sys) => sys.files.set("/sys/class/dmi/id/product_uuid", "ec2b\n")],
  ["nothing tells what was seen", (sys) => sys.files.delete(SEEN)],
] as const satisfies readonly (readonly [string, (sys: FakeSys) => unknown])[]) {
  test(`a machine with its config looks again when ${what}`, () => {
    const sys = configured(SITE, { sr1: labelled("cidata") });
    change(sys);
    assert.equal(hasConfigWork(sys), true);
    sys.files.set("/run/petrify/boot.json", facts("recovery"));
    assert.equal(hasConfigWork(sys), false, "recovery does not");
  });
}

test("a machine that wants nothing and has no config does not look", () => {
  const sys = machine(SITE);
  sys.files.delete("/run/petrify/config-wanted");
  assert.equal(hasConfigWork(sys), false);
});
