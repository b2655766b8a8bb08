import assert from "node:assert/strict";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { persistentOverlay } from "../layout/fstab.ts";
import { totalsOf } from "../layout/persistent-diff.ts";
import { fakeNode, WHITEOUT, type FakeNode } from "./fake-node.ts";
import { layerEntries } from "./layer-walk.ts";
import { persistentDiff, type DiffOptions, type PersistentDiff } from "./persistent-diff.ts";
import { folderWith, persistentFolders } from "./persistent-folders.ts";
import { run } from "./run.ts";

const APP = "/etc/app";
const diff = async (node: FakeNode, from = APP, options: Partial<DiffOptions> = {}): Promise<PersistentDiff> =>
  await persistentDiff(folderWith(from, await persistentFolders(node.root)), from, { seen: new Map(), ...options });
const verdicts = ({ entries }: PersistentDiff): string[] =>
  entries.map(({ verdict, path, below }) => `${verdict} ${path}${below === undefined ? "" : ` +${below}`}`);

/** Everything that can be in an upper layer. */
async function busyNode(): Promise<FakeNode> {
  const node = await fakeNode([APP, "/home"]);
  const image = { same: "text", edited: "image", gone: "image", "as/it/is": "image", swapped: "image" };
  await node.put("image", APP, { ...image, "merging/kept": "image", "merging/edited": "image", link: { link: "/nowhere" } });
  await node.put("image", APP, {
    "anew/hidden": "image",
    "anew/deep/hidden": "image",
    "anew/again": "image",
    "dir/a": "",
    "dir/b": "",
  });
  const shown = { same: "text", edited: "mine", "as/it/is": "image", "swapped/now a folder": "mine", "merging/kept": "image" };
  await node.put("merged", APP, { ...shown, "merging/edited": "mine", link: { link: "/etc/passwd" }, "anew/again": "mine" });
  await node.put("upper", APP, { same: "text", edited: "mine", gone: WHITEOUT, nothing: WHITEOUT, dir: WHITEOUT });
  await node.put("upper", APP, { merging: { folder: 0o755 }, "merging/edited": "mine", link: { link: "/etc/passwd" } });
  await node.put("upper", APP, { "anew/again": "mine", "swapped/now a folder": "mine" });
  await node.put("upper", APP, { "added/f": "mine", "added/below/g": "mine", "added/escape": { link: "/" } });
  await node.put("upper", "/home", { "user/file": "mine" });
  return node;
}

test("everything in the upper layer is compared, and what it hides is found", async () => {
  await using node = await busyNode();
  const found = await diff(node);
  assert.deepEqual(verdicts(found), [
    "added /etc/app/added +4",
    "changed /etc/app/anew/again",
    "removed /etc/app/anew/deep +1",
    "removed /etc/app/anew/hidden",
    "removed /etc/app/dir +2",
    "changed /etc/app/edited",
    "removed /etc/app/gone",
    "changed /etc/app/link",
    "changed /etc/app/merging/edited",
    "unneeded /etc/app/nothing",
    "unneeded /etc/app/same",
    "changed /etc/app/swapped",
    "added /etc/app/swapped/now a folder",
  ]);
  assert.deepEqual(found.unreadable, []);
});

test("with all, what is below an added folder is listed one by one, and the totals are the same", async () => {
  await using node = await busyNode();
  const all = await diff(node, APP, { all: true });
  assert.deepEqual(
    verdicts(all).filter((line) => line.startsWith("added")),
    [
      "added /etc/app/added",
      "added /etc/app/added/below",
      "added /etc/app/added/below/g",
      "added /etc/app/added/escape",
      "added /etc/app/added/f",
      "added /etc/app/swapped/now a folder",
    ],
  );
  assert.deepEqual(totalsOf(all.entries), totalsOf((await diff(node)).entries));
});

const FROM: readonly (readonly [path: string, want: string[]])[] = [
  ["/etc/app/merging", ["changed /etc/app/merging/edited"]],
  ["/etc/app/edited", ["changed /etc/app/edited"]],
  ["/etc/app/dir/a", ["removed /etc/app/dir/a"]],
  ["/etc/app/anew/deep", ["removed /etc/app/anew/deep +1"]],
  ["/etc/app/added/below", ["added /etc/app/added/below +1"]],
  ["/etc/app/merging/kept", []],
  ["/etc/app/as", []],
  ["/etc/app/never was", []],
  ["/etc/app/added/escape/etc", []],
  ["/home", ["added /home/user +1"]],
];
for (const [path, want] of FROM) {
  test(`from ${path} on: ${want.join(", ") || "nothing"}`, async () => {
    await using node = await busyNode();
    assert.deepEqual(verdicts(await diff(node, path)), want);
  });
}

test("a folder's own mode is compared, that of the persistent folder as well", async () => {
  await using node = await fakeNode([APP]);
  await node.put("upper", APP, { "": { folder: 0o700 } });
  assert.deepEqual((await diff(node)).entries[0]?.differs, { mode: ["0755", "0700"] });
});

test("a link in the place of the image's folder is not followed, in neither layer", async () => {
  await using node = await fakeNode([APP]);
  await node.put("image", APP, { "a/x": "image", b: { link: "/etc" } });
  await node.put("upper", APP, { a: { link: "/etc" }, "b/passwd": "mine" });
  await node.put("merged", APP, { a: { link: "/etc" }, "b/passwd": "mine" });
  assert.deepEqual(verdicts(await diff(node)), ["changed /etc/app/a", "changed /etc/app/b", "added /etc/app/b/passwd"]);
  assert.deepEqual(verdicts(await diff(node, "/etc/app/b/passwd")), ["added /etc/app/b/passwd"]);
});

test("a pipe is not waited for", async () => {
  await using node = await fakeNode([APP]);
  await node.put("image", APP, { log: "image" });
  await run(["mkfifo", join(node.root, persistentOverlay(APP).upper, "log")]);
  assert.deepEqual((await diff(node)).entries[0]?.differs, { type: ["file", "pipe"] });
});

test("a file whose name is not UTF-8 is named, not forgotten", async () => {
  await using node = await fakeNode([APP]);
  const upper = join(node.root, persistentOverlay(APP).upper);
  await node.put("upper", APP, { plain: "mine", "folder/plain": "mine" });
  await rename(join(upper, "plain"), Buffer.concat([Buffer.from(`${upper}/caf`), Buffer.of(0xe9)]));
  await rename(join(upper, "folder/plain"), Buffer.concat([Buffer.from(`${upper}/folder/caf`), Buffer.of(0xe9)]));
  const { entries, unreadable } = await diff(node);
  assert.deepEqual(
    entries.map(({ path }) => path),
    ["/etc/app/folder"],
  );
  const reason = "its name is not UTF-8";
  assert.deepEqual(unreadable, [
    { path: "/etc/app/caf\uFFFD", reason },
    { path: "/etc/app/folder/caf\uFFFD", reason },
  ]);
});

test("files that vanish while they are compared are none", async () => {
  await using node = await fakeNode([APP]);
  const upper = join(node.root, persistentOverlay(APP).upper);
  await node.put("image", APP, { "a/x": "image", b: "image" });
  await node.put("upper", APP, { "a/x": "other", b: "other" });
  const [layers] = await persistentFolders(node.root);
  const unreadable = (): void => assert.fail("nothing is unreadable");
  const met: string[] = [];
  for await (const { path } of layerEntries(layers!, APP, { unreadable })) {
    met.push(path);
    await rm(join(upper, "a"), { recursive: true, force: true });
  }
  assert.ok(met.length <= 3, met.join());
});

test("a wide folder is compared whole", async () => {
  await using node = await fakeNode([APP]);
  const names = Array.from({ length: 300 }, (_, index) => `f${index}`);
  await node.put("upper", APP, Object.fromEntries(names.map((name) => [name, "mine"])));
  assert.equal((await diff(node)).entries.length, 300);
});

test("an abort ends the walk", async () => {
  await using node = await busyNode();
  await assert.rejects(diff(node, APP, { signal: AbortSignal.abort(new Error("stopped")) }), /stopped/);
});
