import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { resolveInTree } from "../layout/image-tree.ts";
import { mountedImageTree } from "./image-tree.ts";

const root = await mkdtemp(join(tmpdir(), "image-"));
after(async () => await rm(root, { recursive: true }));
await mkdir(join(root, "etc/ssl"), { recursive: true });
await writeFile(join(root, "etc/hosts"), "127.0.0.1 localhost\n");
await symlink("/etc", join(root, "config"));
await symlink("../../../../../../etc/passwd", join(root, "etc/up"));
const tree = mountedImageTree(root);

test("a mounted image is told as it is", () => {
  assert.equal(tree.at("/etc"), "folder");
  assert.equal(tree.at("/etc/hosts"), "file");
  assert.deepEqual(tree.at("/config"), { link: "/etc" });
  assert.equal(tree.at("/none/x"), undefined);
  assert.equal(tree.at("/etc/hosts/x"), undefined);
  assert.equal(tree.text("/etc/hosts"), "127.0.0.1 localhost\n");
  assert.equal(tree.text("/etc"), undefined);
  assert.deepEqual([...tree.names("/etc")].sort(), ["hosts", "ssl", "up"]);
  assert.deepEqual(tree.names("/none"), []);
});

test("its links lead to its own files, never to those of whoever looks", () => {
  assert.deepEqual(resolveInTree(tree, "/config/hosts", "follow"), { path: "/etc/hosts", node: "file" });
  assert.deepEqual(resolveInTree(tree, "/etc/up", "follow"), { path: "/etc/passwd", node: undefined });
});
