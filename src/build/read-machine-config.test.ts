import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readMachineConfig } from "./read-machine-config.ts";

const CONFIG = "#cloud-config\ninstall: { device: auto }\npassword: a secret\n";

test("a machine config is read word for word", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-config-"));
  const path = join(dir.path, "node.yaml");
  await writeFile(path, CONFIG);
  assert.equal(await readMachineConfig(path), CONFIG);
});

for (const [what, text, code] of [
  ["no machine config", "install: { device: auto }\n", "MACHINE_CONFIG_INVALID"],
  ["one with an unknown key of install", CONFIG.replace("device", "devise"), "MACHINE_CONFIG_INVALID"],
  ["one with the name of no disk", CONFIG.replace("auto", "size:many"), "DEVICE_NAME_INVALID"],
  ["one that is too long", CONFIG + "#".repeat(2 ** 21), "MACHINE_CONFIG_INVALID"],
  ["a file that is not there", undefined, "FILE_UNREADABLE"],
] as const) {
  test(`${what} is refused, and no secret of it is said`, async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-config-"));
    const path = join(dir.path, "node.yaml");
    if (text !== undefined) await writeFile(path, text);
    await assert.rejects(readMachineConfig(path), (error: { readonly code?: string; readonly message: string }) => {
      assert.equal(error.code, code);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });
}
