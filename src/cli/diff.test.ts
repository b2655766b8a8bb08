import assert from "node:assert/strict";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fakeNode, WHITEOUT, type FakeNode } from "../host/fake-node.ts";
import { recordSeenFiles } from "../host/seen-files.ts";
import { persistentOverlay, SEEN_FILES_PATH } from "../layout/fstab.ts";
import { shown } from "./diff-text.ts";
import { runOnNode } from "./node-testing.ts";

/** After an upgrade: one copy of the older image's file, and other changes. */
async function upgradedNode(): Promise<FakeNode> {
  const node = await fakeNode(["/etc/app", "/home", "/srv"]);
  await node.put("image", "/etc/app", { "x.conf": "version 1", "y.conf": "image", gone: "image", same: "image" });
  await node.put("upper", "/etc/app", { "x.conf": "version 1" });
  await recordSeenFiles(node.root);
  await node.put("image", "/etc/app", { "x.conf": "version 2" });
  await node.put("upper", "/etc/app", { "y.conf": "mine, longer", gone: WHITEOUT, same: "image" });
  await node.put("merged", "/etc/app", { "x.conf": "version 1", "y.conf": "mine, longer", same: "image" });
  await node.put("upper", "/home", { "user/a/b": "mine", "user/c": { link: "/" } });
  return node;
}

test("diff prints a line a path, then a line a folder", async () => {
  await using node = await upgradedNode();
  const { exitCode, out, err } = await runOnNode(node.root, ["diff"]);
  assert.equal(
    out,
    `removed    /etc/app/gone
stale      /etc/app/x.conf  (a copy that was never edited)
changed    /etc/app/y.conf
added      /home/user  (3 below, 4 KiB)
/etc/app: 1 stale, 1 changed, 1 removed, 1 unneeded, 12 KiB
/home: 4 added, 4 KiB
`,
  );
  assert.deepEqual({ exitCode, err }, { exitCode: 0, err: "" });
});

test("what differs besides the content is said", async () => {
  await using node = await upgradedNode();
  await chmod(join(node.root, persistentOverlay("/etc/app").upper, "y.conf"), 0o600);
  const { out } = await runOnNode(node.root, ["diff", "/etc/app/y.conf"]);
  assert.match(out, /^changed {4}\/etc\/app\/y\.conf {2}\(content, mode 0644 → 0600\)$/m);
});

test("diff --all lists everything", async () => {
  await using node = await upgradedNode();
  const { out } = await runOnNode(node.root, ["diff", "--all"]);
  for (const line of [/^unneeded {3}\/etc\/app\/same$/m, /^added {6}\/home\/user$/m, /^added {6}\/home\/user\/a\/b$/m]) {
    assert.match(out, line);
  }
});

test("diff --json holds the whole list, unneeded copies included", async () => {
  await using node = await upgradedNode();
  const { out } = await runOnNode(node.root, ["diff", "--json", "/etc/app"]);
  const { value } = JSON.parse(out) as { value: Record<string, unknown> };
  assert.deepEqual(value, {
    differs: true,
    folders: [
      ...[{ path: "/etc/app", mounted: true, unreadable: 0, stored: 12288 }].map((folder) => ({
        ...folder,
        ...{ stale: 1, changed: 1, added: 0, removed: 1, unneeded: 1 },
      })),
    ],
    entries: [
      { path: "/etc/app/gone", verdict: "removed", stored: 0 },
      { path: "/etc/app/same", verdict: "unneeded", stored: 4096 },
      { path: "/etc/app/x.conf", verdict: "stale", stored: 4096, differs: { content: true }, edited: false },
      { path: "/etc/app/y.conf", verdict: "changed", stored: 4096, differs: { content: true } },
    ],
    unreadable: [],
    notes: [],
  });
});

const EXITS: readonly (readonly [args: string[], exitCode: number])[] = [
  [["diff"], 0],
  [["diff", "--exit-code"], 1],
  [["diff", "--exit-code", "/srv"], 0],
  [["diff", "--exit-code", "/etc/app/same"], 0],
  [["diff", "--exit-code", "--json"], 1],
];
for (const [args, exitCode] of EXITS) {
  test(`petrify ${args.join(" ")} ends with ${exitCode}`, async () => {
    await using node = await upgradedNode();
    assert.equal((await runOnNode(node.root, args)).exitCode, exitCode);
  });
}

test("a path is relative to where the command is run, and each is compared once", async () => {
  await using node = await upgradedNode();
  const { out } = await runOnNode(node.root, ["diff", "app/y.conf", "/etc/app/y.conf", "app/../app/gone"]);
  assert.deepEqual(
    out.split("\n").map((line) => line.split("  (")[0]),
    [
      "removed    /etc/app/gone",
      "changed    /etc/app/y.conf",
      "/etc/app/gone: 1 removed, 0 B",
      "/etc/app/y.conf: 1 changed, 4 KiB",
      "",
    ],
  );
});

test("a path in no persistent folder is refused, and the persistent ones are named", async () => {
  await using node = await upgradedNode();
  const { exitCode, err } = await runOnNode(node.root, ["diff", "/etc/other"]);
  assert.equal(exitCode, 1);
  assert.equal(
    err,
    "error: /etc/other is not in a persistent folder\nhint: Persistent folders of this image: /etc/app, /home, /srv.\n",
  );
});

test("a folder that is not mounted is said to be, and the others are compared", async () => {
  await using node = await fakeNode(["/home", "/srv"], ["/srv"]);
  await node.put("upper", "/srv", { f: "mine" });
  const { exitCode, out, err } = await runOnNode(node.root, ["diff"]);
  assert.deepEqual([exitCode, out], [0, "added      /srv/f\n/srv: 1 added, 4 KiB\n"]);
  assert.equal(err, "/home is not mounted: what it keeps cannot be compared\n");
});

test("where nothing can be compared, nobody is told that nothing differs", async () => {
  await using node = await fakeNode(["/home"], []);
  assert.equal((await runOnNode(node.root, ["diff"])).out, "Nothing that can be compared differs from the image.\n");
});

test("a damaged record costs only the word stale, and is said to be", async () => {
  await using node = await upgradedNode();
  await writeFile(join(node.root, SEEN_FILES_PATH), "half");
  const { exitCode, out, err } = await runOnNode(node.root, ["diff", "/etc/app/x.conf"]);
  assert.deepEqual([exitCode, out.split("\n")[0]], [0, "changed    /etc/app/x.conf"]);
  assert.match(err, /^what is stale cannot be known: .* is damaged\n$/);
});

test("diff writes nothing", async () => {
  await using node = await upgradedNode();
  const path = join(node.root, SEEN_FILES_PATH);
  const before = [await readFile(path, "utf8"), (await stat(dirname(path))).mtimeMs];
  await runOnNode(node.root, ["diff", "--all"]);
  assert.deepEqual([await readFile(path, "utf8"), (await stat(dirname(path))).mtimeMs], before);
});

test("an untouched machine differs in nothing", async () => {
  await using node = await fakeNode(["/srv"]);
  await mkdir(join(node.root, "elsewhere"));
  assert.equal((await runOnNode(node.root, ["diff"])).out, "Nothing differs from the image.\n");
});

for (const [name, want] of [
  ["/plain name ü", "/plain name ü"],
  ["/two\nlines", String.raw`"/two\nlines"`],
  ["/\u001b[31mred", String.raw`"/\u001b[31mred"`],
  ["/back\u202Ewards", String.raw`"/back\u202ewards"`],
] as const) {
  test(`${JSON.stringify(name)} is shown as ${want}`, () => assert.equal(shown(name), want));
}
