import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readDmi, readFwCfg } from "./firmware.ts";

test("what the firmware says is read without the line feed, and what it does not say is missing", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-dmi-"));
  await writeFile(join(folder.path, "sys_vendor"), "Amazon EC2\n");
  await writeFile(join(folder.path, "product_serial"), "\n");
  assert.deepEqual(await readDmi(folder.path), { product_serial: "", sys_vendor: "Amazon EC2" });
  assert.deepEqual(await readDmi(join(folder.path, "none")), {});
});

test("a file of QEMU's is found by its name, as the kernel shows it", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-fwcfg-"));
  const [key, names] = [join(folder.path, "by_key/33"), join(folder.path, "by_name/opt/org.petrify")];
  for (const path of [key, names]) await mkdir(path, { recursive: true });
  await writeFile(join(key, "raw"), "#cloud-config\n");
  await symlink("../../../by_key/33", join(names, "config"));
  const read = async (name: string): Promise<string | undefined> =>
    (await readFwCfg(name, join(folder.path, "by_name")))?.toString();
  assert.equal(await readFwCfg("opt/none", join(folder.path, "by_name")), undefined);
  assert.equal(
    Buffer.from((await readFwCfg("opt/org.petrify/config", join(folder.path, "by_name")))!).toString(),
    "#cloud-config\n",
  );
  assert.equal(await read("opt/org.petrify"), undefined);
});
