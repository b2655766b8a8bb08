import assert from "node:assert/strict";
import { appendFile, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { erofsOf } from "../../tests/support/tree-image.ts";
import { fileSize } from "./files.ts";
import { mountErofs } from "./linux.ts";
import { attachLoop } from "./loop-device.ts";

const AT = 8192;
const skip = process.getuid?.() !== 0 && "only root mounts";

test("a part of a file is mounted, and its device is free again afterwards", { skip }, async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-loop-"));
  const [root, image] = [join(folder.path, "root"), join(folder.path, "image")];
  await erofsOf(await testTools(), [{ path: "etc/hostname", data: "edge\n" }], root);
  await writeFile(image, new Uint8Array(AT));
  await appendFile(image, await readFile(root));
  await appendFile(image, new Uint8Array(4096));
  let device: string;
  {
    await using loop = await attachLoop(image, { start: AT, size: await fileSize(root) });
    device = loop.path;
    await using mounted = await mountErofs(device, join(folder.path, "at"));
    assert.equal(await readFile(join(mounted.path, "etc/hostname"), "utf8"), "edge\n");
    await assert.rejects(writeFile(join(mounted.path, "etc/new"), ""), { code: "EROFS" });
    assert.equal(await backingFile(device), `${image}\n`);
  }
  assert.notEqual(await backingFile(device).catch(() => undefined), `${image}\n`);
});

const backingFile = async (device: string): Promise<string> =>
  await readFile(`/sys/block/${device.replace("/dev/", "")}/loop/backing_file`, "utf8");
