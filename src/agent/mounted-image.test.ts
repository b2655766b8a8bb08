import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { smallSystem } from "../../tests/support/small-system.ts";
import { testTools } from "../../tests/support/tools.ts";
import { treeImage } from "../../tests/support/tree-image.ts";
import { readManifest } from "../build/read-manifest.ts";
import { mountedImage, openSlotImage } from "./mounted-image.ts";

const root = await mkdtemp(join(tmpdir(), "image-"));
after(async () => await rm(root, { recursive: true }));
await mkdir(join(root, "usr/lib/systemd"), { recursive: true });
await mkdir(join(root, "etc"));
await writeFile(join(root, "usr/lib/os-release"), 'ID=debian\nVERSION_ID="13"\n');
await symlink("../usr/lib/os-release", join(root, "etc/os-release"));
await symlink("usr/lib", join(root, "lib"));
await writeFile(join(root, "usr/lib/systemd/systemd-timesyncd"), "");

test("a mounted image is seen as a config asks for it", () => {
  const view = mountedImage(root, { name: "web", version: "1.0.0", persistent: ["/home"] }, "x86_64");
  const { init, os, osVersion, persistent } = view;
  assert.deepEqual(
    { init, os, osVersion, persistent },
    { init: "systemd", os: "debian", osVersion: "13", persistent: ["/home"] },
  );
  assert.ok(view.has("/lib/systemd/systemd-timesyncd"));
  assert.ok(!view.has("/etc/passwd"), "of the machine that looks");
  assert.deepEqual(view.list("/lib"), ["os-release", "systemd"]);
});

const skip = process.getuid?.() !== 0 && "only root mounts";

for (const form of [[], ["-zlz4hc"]]) {
  test(`an image that does not run is mounted to be seen: ${form.join() || "plain"}`, { skip }, async () => {
    const [path, folder] = [join(root, "b.img"), join(root, "other")];
    const tools = await testTools();
    await treeImage(tools, smallSystem, path, { form });
    const { digest } = await readManifest(tools, path);
    await assert.rejects(openSlotImage({ path, digest: "aa", folder }, "x86_64"), { code: "IMAGE_CHANGED" });
    {
      await using image = await openSlotImage({ path, digest, folder }, "x86_64");
      const { name, version, persistent, osVersion } = image.view;
      assert.deepEqual([name, version, persistent, osVersion], ["test", "1.2.3", ["/home", "/var/log"], "13"]);
      assert.match(image.view.read("/etc/passwd")!, /^root:/);
      assert.ok(image.view.has("/sbin/init"));
    }
    await assert.rejects(readdir(folder), { code: "ENOENT" });
  });
}
