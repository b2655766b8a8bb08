import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { mountedImage } from "./mounted-image.ts";

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
