import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fakeNode, WHITEOUT, type FakeNode } from "../host/fake-node.ts";
import { scriptedRun } from "../host/run.ts";
import { persistentOverlay, RESET_REQUEST_PATH } from "../layout/fstab.ts";
import { runOnNode } from "./node-testing.ts";

const APP = "/etc/app";

async function editedNode(): Promise<FakeNode> {
  const node = await fakeNode([APP, "/srv"]);
  await node.put("image", APP, { "x.conf": "image", own: "image", "anew/hidden": "image", "gone/f": "image", same: "image" });
  await node.put("upper", APP, { "x.conf": "mine", same: "image", "anew/f": "mine", gone: WHITEOUT, "added/f": "mine" });
  await node.put("merged", APP, { "x.conf": "mine", own: "image", same: "image", "anew/f": "mine", "added/f": "mine" });
  return node;
}
/** Answers for the program that knows extended attributes. */
const early = ({ root }: FakeNode, opaque: readonly string[] = []) =>
  scriptedRun({
    [`/usr/lib/petrify/petrify-early opaque ${join(root, persistentOverlay(APP).upper)}/anew`]: {
      stdout: `${JSON.stringify(opaque.map((path) => join(root, persistentOverlay(APP).upper, path)))}\n`,
    },
  }).run;
const requested = async ({ root }: FakeNode): Promise<readonly string[]> => {
  const text = await readFile(join(root, RESET_REQUEST_PATH), "utf8").catch(() => '{"paths":[]}');
  return (JSON.parse(text) as { paths: string[] }).paths;
};
const result = (out: string): Record<string, unknown> => (JSON.parse(out) as { value: Record<string, unknown> }).value;

test("a path waits for the next boot, and nothing is touched until then", async () => {
  await using node = await editedNode();
  const { exitCode, out } = await runOnNode(node.root, ["reset-path", "--yes", "app/x.conf", "/etc/app/gone"]);
  assert.deepEqual(
    [exitCode, out],
    [0, "/etc/app/x.conf, /etc/app/gone: will be the image's own after the next boot, which frees 4 KiB.\n"],
  );
  assert.deepEqual(await requested(node), ["/etc/app/gone", "/etc/app/x.conf"]);
  assert.equal(await readFile(join(node.root, persistentOverlay(APP).upper, "x.conf"), "utf8"), "mine");
});

test("a second request changes nothing, another path is added", async () => {
  await using node = await editedNode();
  const changed = async (...paths: string[]): Promise<unknown> =>
    result((await runOnNode(node.root, ["reset-path", "--json", "--yes", ...paths])).out)["changed"];
  assert.equal(await changed("/etc/app/x.conf"), true);
  assert.equal(await changed("/etc/app/x.conf"), false);
  assert.equal(await changed("/etc/app"), true);
  assert.deepEqual(await requested(node), ["/etc/app", "/etc/app/x.conf"]);
});

for (const path of ["/etc/app/own", "/etc/app/never", "/srv", "/srv/x"]) {
  test(`${path} is the image's own already: nothing is requested, nobody asked`, async () => {
    await using node = await editedNode();
    const { exitCode, out } = await runOnNode(node.root, ["reset-path", path]);
    assert.deepEqual([exitCode, out], [0, `${path}: the image's own already.\n`]);
    assert.deepEqual(await requested(node), []);
  });
}

test("an unneeded copy can be dropped", async () => {
  await using node = await editedNode();
  const { out } = await runOnNode(node.root, ["reset-path", "--yes", "--json", "/etc/app/same"]);
  assert.equal(result(out)["changed"], true);
});

test("a file that cannot be named goes with the folder it is in", async () => {
  await using node = await fakeNode(["/srv"]);
  await writeFile(Buffer.concat([Buffer.from(`${node.root}${persistentOverlay("/srv").upper}/caf`), Buffer.of(0xe9)]), "mine");
  const { out } = await runOnNode(node.root, ["reset-path", "--yes", "--json", "/srv"]);
  assert.equal(result(out)["changed"], true);
});

test("--dry-run lists what would go, with its size, and requests nothing", async () => {
  await using node = await editedNode();
  const { exitCode, out } = await runOnNode(node.root, [
    "reset-path",
    "--dry-run",
    "/etc/app/added",
    "/etc/app/gone",
    "/etc/app/own",
  ]);
  assert.equal(
    out,
    "added      /etc/app/added  (1 below, 4 KiB)\nremoved    /etc/app/gone  (1 below)\nwould go: 2 added, 2 removed, 4 KiB\n",
  );
  assert.equal(exitCode, 0);
  assert.deepEqual(await requested(node), []);
});

const ANSWERS: readonly (readonly [typed: string | undefined, args: string[], exitCode: number, err: RegExp])[] = [
  ["y\n", [], 0, /changed {4}\/etc\/app\/x\.conf.*Goes at the next boot: 1 changed, 4 KiB\.\nGo on\? \[y\/N\] $/s],
  ["\n", [], 1, /error: nothing was done\n/],
  ["n\n", [], 1, /error: nothing was done\n/],
  [undefined, [], 1, /error: this deletes data, and there is nobody to ask\nhint: .*--yes/],
  ["y\n", ["--json"], 1, /^$/],
];
for (const [typed, args, exitCode, err] of ANSWERS) {
  test(`asked ${typed === undefined ? "nobody" : `and answered ${JSON.stringify(typed)}`} ${args.join()}: ${exitCode}`, async () => {
    await using node = await editedNode();
    const ran = await runOnNode(node.root, ["reset-path", ...args, "/etc/app/x.conf"], typed === undefined ? {} : { typed });
    assert.equal(ran.exitCode, exitCode);
    assert.match(ran.err, err);
    assert.deepEqual(await requested(node), exitCode === 0 ? ["/etc/app/x.conf"] : []);
  });
}

test("what a folder made anew hides cannot be reset without it", async () => {
  await using node = await editedNode();
  const run = early(node, ["anew"]);
  const { exitCode, err } = await runOnNode(node.root, ["reset-path", "--yes", "/etc/app/anew/hidden"], { run });
  assert.equal(exitCode, 1);
  assert.match(err, /: \/etc\/app\/anew was removed or made anew as a whole\nhint: .* --dry-run \/etc\/app\/anew\n/);
  assert.deepEqual(await requested(node), []);
});

test("what is below a removed folder cannot be reset without it", async () => {
  await using node = await editedNode();
  const { exitCode, err } = await runOnNode(node.root, ["reset-path", "--yes", "/etc/app/gone/f"]);
  assert.equal(exitCode, 1);
  assert.match(err, /\/etc\/app\/gone was removed or made anew as a whole/);
});

test("a file in a folder that merges with the image's can be reset", async () => {
  await using node = await editedNode();
  await node.put("upper", APP, { "anew/hidden": "mine" });
  const { exitCode } = await runOnNode(node.root, ["reset-path", "--yes", "/etc/app/anew/hidden"], { run: early(node) });
  assert.equal(exitCode, 0);
});

test("what was added to a folder made anew can be reset", async () => {
  await using node = await editedNode();
  assert.equal((await runOnNode(node.root, ["reset-path", "--yes", "/etc/app/anew/f"])).exitCode, 0);
});

test("--list and --cancel", async () => {
  await using node = await editedNode();
  await runOnNode(node.root, ["reset-path", "--yes", "/etc/app/x.conf", "/etc/app/same"]);
  assert.equal((await runOnNode(node.root, ["reset-path", "--list"])).out, "/etc/app/same\n/etc/app/x.conf\n");
  const cancel = ["reset-path", "--cancel", "/etc/app/same"];
  assert.equal((await runOnNode(node.root, cancel)).out, "/etc/app/same: stays as it is.\n");
  assert.equal((await runOnNode(node.root, cancel)).out, "/etc/app/same: did not wait for the next boot.\n");
  assert.deepEqual(await requested(node), ["/etc/app/x.conf"]);
  await rm(join(node.root, RESET_REQUEST_PATH));
  assert.equal((await runOnNode(node.root, ["reset-path", "--list"])).out, "Nothing waits for the next boot.\n");
});

const REFUSED: readonly (readonly [what: string, args: string[], exitCode: number, err: RegExp])[] = [
  ["no path", ["--yes"], 2, /a path is missing/],
  ["a path in no persistent folder", ["--yes", "/etc/other"], 1, /Persistent folders of this image: \/etc\/app, \/srv\./],
  ["one bad path among good ones", ["--yes", "/etc/app/x.conf", "/"], 1, /\/ is not in a persistent folder/],
];
for (const [what, args, exitCode, err] of REFUSED) {
  test(`${what} is refused, and nothing is requested`, async () => {
    await using node = await editedNode();
    const ran = await runOnNode(node.root, ["reset-path", ...args]);
    assert.equal(ran.exitCode, exitCode);
    assert.match(ran.err, err);
    assert.deepEqual(await requested(node), []);
  });
}

test("a folder that is not mounted is refused", async () => {
  await using node = await fakeNode(["/srv"], []);
  assert.match((await runOnNode(node.root, ["reset-path", "--yes", "/srv"])).err, /\/srv is not mounted/);
});

test("a broken request is replaced by the next one", async () => {
  await using node = await editedNode();
  await writeFile(join(node.root, RESET_REQUEST_PATH), "half");
  assert.equal((await runOnNode(node.root, ["reset-path", "--yes", "/etc/app/x.conf"])).exitCode, 0);
  assert.deepEqual(await requested(node), ["/etc/app/x.conf"]);
});
