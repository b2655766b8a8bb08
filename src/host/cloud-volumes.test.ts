import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isoVolume } from "../../tests/support/iso-volumes.ts";
import { testTools } from "../../tests/support/tools.ts";
import { MiB } from "../core/units.ts";
import { findCloudVolumes, type CloudVolume } from "./cloud-volumes.ts";

const TEXT = "#cloud-config\ninstall:\n  device: auto\n";
const ISO = isoVolume("genisoimage -V CIDATA -J -r");

/** A machine's block devices as files: what is on each; `empty` has no medium. */
async function find(devices: Readonly<Record<string, Uint8Array | "empty">>): Promise<readonly CloudVolume[]> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-cidata-"));
  const [sys, dev] = [join(folder.path, "sys"), join(folder.path, "dev")];
  await mkdir(dev);
  for (const [name, bytes] of Object.entries(devices)) {
    await mkdir(join(sys, name), { recursive: true });
    await writeFile(join(sys, name, "size"), `${bytes === "empty" ? 0 : Math.ceil(bytes.length / 512)}\n`);
    await writeFile(join(dev, name), bytes === "empty" ? "" : bytes);
  }
  return (await findCloudVolumes({ sys, dev })).map(({ device, ...rest }) => ({ ...rest, device: device.slice(dev.length + 1) }));
}

async function fat(label: string, name: string, text: string): Promise<Uint8Array> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-cidata-"));
  const tools = await testTools();
  const options = { binds: [{ source: folder.path, target: "/tmp/d", writable: true }], env: { MTOOLS_SKIP_CHECK: "1" } };
  await writeFile(join(folder.path, "volume"), "");
  await truncate(join(folder.path, "volume"), 4 * MiB);
  await writeFile(join(folder.path, "file"), text);
  await tools.run(["mkfs.vfat", "-n", label, "/tmp/d/volume"], options);
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
