import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { persistentOverlay, SEEN_FILES_PATH } from "../layout/fstab.ts";
import { fakeNode, type FakeNode } from "./fake-node.ts";
import { persistentDiff } from "./persistent-diff.ts";
import { persistentFolders } from "./persistent-folders.ts";
import { readSeenFiles, recordSeenFiles } from "./seen-files.ts";

const APP = "/etc/app";
const digest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** A node with an edited copy of one of the image's two files. */
async function editedNode(): Promise<FakeNode> {
  const node = await fakeNode([APP, "/home"]);
  await node.put("image", APP, { "x.conf": "version 1", other: "version 1" });
  await node.put("upper", APP, { "x.conf": "mine", added: "mine" });
  await node.put("merged", APP, { "x.conf": "mine", added: "mine", other: "version 1" });
  return node;
}
const verdictOf = async ({ root }: FakeNode): Promise<string | undefined> => {
  const [layers] = await persistentFolders(root);
  const { entries } = await persistentDiff(layers!, APP, { seen: await readSeenFiles(root) });
  return entries.find(({ path }) => path === "/etc/app/x.conf")?.verdict;
};

test("a copy is stale when the image's file is not the one that was there when it was first seen", async () => {
  await using node = await editedNode();
  assert.equal(await recordSeenFiles(node.root), true);
  assert.deepEqual(Object.fromEntries(await readSeenFiles(node.root)), { "/etc/app/x.conf": digest("version 1") });
  assert.equal(await verdictOf(node), "changed");
  await node.put("image", APP, { "x.conf": "version 2" });
  assert.equal(await verdictOf(node), "stale");
  assert.equal(await recordSeenFiles(node.root), false, "the next start changes nothing");
  assert.equal(await verdictOf(node), "stale");
});

test("a copy that nobody saw under the older image is only changed", async () => {
  await using node = await editedNode();
  await node.put("image", APP, { "x.conf": "version 2" });
  await recordSeenFiles(node.root);
  assert.equal(await verdictOf(node), "changed");
});

test("a copy that is gone is forgotten, one that the image has no file for any more is not", async () => {
  await using node = await editedNode();
  await node.put("image", APP, { "dir/y": "version 1" });
  await node.put("upper", APP, { "dir/y": "mine" });
  await recordSeenFiles(node.root);
  await rm(join(node.root, persistentOverlay(APP).upper, "x.conf"));
  await rm(join(node.root, persistentOverlay(APP).lower, "dir"), { recursive: true });
  assert.equal(await recordSeenFiles(node.root), true);
  assert.deepEqual([...(await readSeenFiles(node.root)).keys()], ["/etc/app/dir/y"]);
});

test("folders that are not mounted keep what is known of them", async () => {
  await using node = await editedNode();
  await recordSeenFiles(node.root);
  await writeFile(join(node.root, "/proc/self/mountinfo"), "");
  await rm(join(node.root, persistentOverlay(APP).upper), { recursive: true });
  assert.equal(await recordSeenFiles(node.root), false);
  assert.equal((await readSeenFiles(node.root)).size, 1);
});

test("a damaged record is begun anew, a newer one is left alone", async () => {
  await using node = await editedNode();
  const path = join(node.root, SEEN_FILES_PATH);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, '{"format":1,');
  await assert.rejects(readSeenFiles(node.root), { code: "SEEN_FILES_INVALID" });
  assert.equal(await recordSeenFiles(node.root), true);
  assert.equal((await readSeenFiles(node.root)).size, 1);
  const newer = '{"format":2,"new":true}';
  await writeFile(path, newer);
  await assert.rejects(recordSeenFiles(node.root), { code: "SEEN_FILES_NEWER" });
  assert.equal(await readFile(path, "utf8"), newer);
});

test("the image's file is read, not the copy: an unreadable copy is recorded all the same", async () => {
  await using node = await editedNode();
  await chmod(join(node.root, persistentOverlay(APP).upper, "x.conf"), 0);
  await recordSeenFiles(node.root);
  assert.equal((await readSeenFiles(node.root)).get("/etc/app/x.conf"), digest("version 1"));
});
