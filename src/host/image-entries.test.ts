import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { imageEntries } from "./image-entries.ts";

test("a path of the image comes with owner, mode and content; a folder alone, or with all of it", async () => {
  const root = await mkdtemp(join(tmpdir(), "petrify-image-"));
  try {
    await mkdir(join(root, "etc/app/sub"), { recursive: true });
    await writeFile(join(root, "etc/app/x"), Uint8Array.of(0, 255));
    await chmod(join(root, "etc/app/x"), 0o4750);
    await symlink("x", join(root, "etc/app/sub/link"));
    await symlink("/etc/app", join(root, "etc/other"));
    await symlink("/etc/passwd", join(root, "etc/outside"));
    const owner = `${process.getuid!()}:${process.getgid!()}`;
    const own = { when: "root", owner } as const;
    const file = { ...own, what: { is: "file", mode: 0o4750, content: { base64: "AP8=" } } } as const;
    assert.deepEqual(imageEntries(root, "/etc/app/x", { deep: false }), [{ path: "/etc/app/x", ...file }]);
    assert.deepEqual(
      imageEntries(root, "/etc/other/x", { deep: false }),
      [{ path: "/etc/other/x", ...file }],
      "by a link of the image",
    );
    assert.deepEqual(imageEntries(root, "/etc/outside", { deep: true }), [
      { path: "/etc/outside", ...own, what: { is: "link", to: "/etc/passwd" } },
    ]);
    const found = imageEntries(root, "/etc/app", { deep: true });
    assert.deepEqual(
      found.map(({ path, what }) => `${what.is} ${path}`),
      ["folder /etc/app", "folder /etc/app/sub", "link /etc/app/sub/link", "file /etc/app/x"],
    );
    assert.equal(imageEntries(root, "/etc/app", { deep: false }).length, 1);
    assert.deepEqual(imageEntries(root, "/etc/nothing/x", { deep: true }), []);
    assert.deepEqual(imageEntries(root, "/etc/app/x/y", { deep: true }), []);
  } finally {
    await rm(root, { recursive: true });
  }
});
