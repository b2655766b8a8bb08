import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { isoVolume } from "../../tests/support/iso-volumes.ts";
import { testTools } from "../../tests/support/tools.ts";
import { MiB } from "../core/units.ts";
import { findCloudVolumes, findVolumes, type CloudVolume } from "./cloud-volumes.ts";

const TEXT = "#cloud-config\ninstall:\n  device: auto\n";
const ISO = isoVolume("genisoimage -V CIDATA -J -r");

type Devices = Readonly<Record<string, Uint8Array | "empty">>;
/** A machine's block devices as files: what is on each; `empty` has no medium. */
async function onMachine<T>(
  devices: Devices,
  look: (at: { readonly sys: string; readonly dev: string }) => Promise<T>,
): Promise<T> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-cidata-"));
  const [sys, dev] = [join(folder.path, "sys"), join(folder.path, "dev")];
  await mkdir(dev);
  for (const [name, bytes] of Object.entries(devices)) {
    await mkdir(join(sys, name), { recursive: true });
    await writeFile(join(sys, name, "size"), `${bytes === "empty" ? 0 : Math.ceil(bytes.length / 512)}\n`);
    await writeFile(join(dev, name), bytes === "empty" ? "" : bytes);
  }
  return await look({ sys, dev });
}
const find = async (devices: Devices): Promise<readonly CloudVolume[]> =>
  await onMachine(devices, async (at) =>
    (await findCloudVolumes(at)).map(({ device, ...rest }) => ({ ...rest, device: device.slice(at.dev.length + 1) })),
  );

async function fat(label: string, name: string, text: string): Promise<Uint8Array> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-cidata-"));
  const tools = await testTools();
  const options = { binds: [{ source: folder.path, target: "/tmp/d", writable: true }], env: { MTOOLS_SKIP_CHECK: "1" } };
  await writeFile(join(folder.path, "volume"), "");
  await truncate(join(folder.path, "volume"), 4 * MiB);
  await writeFile(join(folder.path, "file"), text);
  await tools.run(["mkfs.vfat", "-n", label, "/tmp/d/volume"], options);
  const [above] = name.split("/").slice(0, -1);
  if (above !== undefined) await tools.run(["mmd", "-i", "/tmp/d/volume", `::${above}`, `::${dirname(name)}`], options);
  await tools.run(["mcopy", "-i", "/tmp/d/volume", "/tmp/d/file", `::${name}`], options);
  return await readFile(join(folder.path, "volume"));
}

test("a CD and a stick with that label are read, in the order of their names", async () => {
  const stick = await fat("CIDATA", "user-data", TEXT);
  assert.deepEqual(await find({ sr0: ISO, sdb1: stick, sdb: new Uint8Array(MiB), sda: "empty" }), [
    { device: "sdb1", text: TEXT },
    { device: "sr0", text: TEXT },
  ]);
});

test("other labels, shown files and disks with anything are passed over", async () => {
  const other = await fat("PHOTOS", "user-data", TEXT);
  const noise = Uint8Array.from({ length: 100_000 }, (_, at) => (at * 7) % 256);
  assert.deepEqual(await find({ sda1: other, loop0: ISO, sdb: noise, sdc: new Uint8Array(512) }), []);
});

test("one with that label whose file is missing, too long or cut off says so", async () => {
  const missing = await find({ sda1: await fat("CIDATA", "userdata", TEXT) });
  assert.match((missing[0] as { problem: string }).problem, /there is no \/user-data/);
  const long = await find({ sda1: await fat("CIDATA", "user-data", "x".repeat(1024 * 1024 + 1)) });
  assert.match((long[0] as { problem: string }).problem, /more than 1024 KiB/);
  const cut = await find({ sr0: ISO.subarray(0, ISO.length - 2 * 2048) });
  assert.match((cut[0] as { problem: string }).problem, /ends too early/);
});

/** With a folder in a folder. */
async function ext4(label: string, name: string, text: string): Promise<Uint8Array> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-cidata-"));
  const tools = await testTools();
  const options = { binds: [{ source: folder.path, target: "/tmp/d", writable: true }] };
  await mkdir(join(folder.path, "files", dirname(name)), { recursive: true });
  await writeFile(join(folder.path, "files", name), text);
  await tools.run(["mke2fs", "-q", "-t", "ext4", "-L", label, "-d", "/tmp/d/files", "/tmp/d/volume", "4M"], options);
  return await readFile(join(folder.path, "volume"));
}

for (const make of [fat, ext4]) {
  test(`files in folders of a ${make.name} volume are found by its label, and those that it does not have are told apart`, async () => {
    const path = "openstack/latest/user_data";
    const devices = { sdb: await make("CONFIG-2", path, TEXT), sdc: await make("cidata", "x", TEXT) };
    const volumes = await onMachine(
      devices,
      async (at) => await findVolumes({ "config-2": [path, "openstack/latest/none"] }, at),
    );
    assert.equal(volumes.length, 1);
    assert.equal(volumes[0]!.label, "config-2");
    assert.equal(Buffer.from((volumes[0]!.files[path] as { bytes: Uint8Array }).bytes).toString(), TEXT);
    assert.equal((volumes[0]!.files["openstack/latest/none"] as { isMissing: boolean }).isMissing, true);
  });
}
