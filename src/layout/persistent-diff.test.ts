import assert from "node:assert/strict";
import { test } from "node:test";
import { byPath, judge, totalsOf, type DiffEntry, type FileFacts, type LayerEntry } from "./persistent-diff.ts";

const facts = (more: Partial<FileFacts>): FileFacts => ({
  ...{ kind: "file", mode: 0o644, uid: 0, gid: 0, size: 5, stored: 4096 },
  ...more,
});
const file = facts({});
const folder = facts({ kind: "folder", mode: 0o755 });
const link = facts({ kind: "link", mode: 0o777, target: "/a" });
const pipe = facts({ kind: "other", special: "pipe" });

interface Case {
  readonly upper: LayerEntry["upper"];
  readonly image?: FileFacts;
  readonly below?: { entries: number; stored: number };
  /** Of the file in each layer. */
  readonly digests?: { upper?: string; image?: string };
  readonly recorded?: string;
}
const CASES: readonly (readonly [what: string, given: Case, want: Omit<DiffEntry, "path"> | undefined])[] = [
  ["a file that the image does not have is added", { upper: file }, { verdict: "added", stored: 4096 }],
  [
    "a folder that the image does not have stands for what is below it",
    { upper: folder, below: { entries: 3, stored: 100 } },
    { verdict: "added", stored: 4196, below: 3 },
  ],
  ["a whiteout removes", { upper: "whiteout", image: file }, { verdict: "removed", stored: 0 }],
  ["what a folder made anew hides is removed", { upper: undefined, image: file }, { verdict: "removed", stored: 0 }],
  ["a whiteout of nothing is unneeded", { upper: "whiteout" }, { verdict: "unneeded", stored: 0 }],
  ["nothing in neither is nothing", { upper: undefined }, undefined],
  ["a folder like the image's is nothing by itself", { upper: folder, image: folder }, undefined],
  [
    "another size is another content, without reading",
    { upper: facts({ size: 6 }), image: file },
    { verdict: "changed", stored: 4096, differs: { content: true } },
  ],
  [
    "the same size with another digest is another content",
    { upper: file, image: file, digests: { upper: "u", image: "i" } },
    { verdict: "changed", stored: 4096, differs: { content: true } },
  ],
  [
    "the same file is unneeded",
    { upper: file, image: file, digests: { upper: "i", image: "i" } },
    { verdict: "unneeded", stored: 4096 },
  ],
  [
    "mode and owner are changes",
    { upper: facts({ mode: 0o4755, uid: 1000 }), image: file, digests: { upper: "i", image: "i" } },
    { verdict: "changed", stored: 4096, differs: { mode: ["0644", "4755"], owner: ["0:0", "1000:0"] } },
  ],
  [
    "a folder's mode is a change",
    { upper: facts({ kind: "folder", mode: 0o700 }), image: folder },
    { verdict: "changed", stored: 4096, differs: { mode: ["0755", "0700"] } },
  ],
  [
    "a link elsewhere is a change, its mode is none",
    { upper: { ...link, target: "/b", mode: 0 }, image: link },
    { verdict: "changed", stored: 4096, differs: { target: ["/a", "/b"] } },
  ],
  ["the same link is unneeded", { upper: link, image: link }, { verdict: "unneeded", stored: 4096 }],
  [
    "another type is a change",
    { upper: facts({ kind: "link", target: "/a" }), image: file },
    { verdict: "changed", stored: 4096, differs: { type: ["file", "link"] } },
  ],
  [
    "another device is another type",
    { upper: facts({ kind: "other", special: "character device 1:3" }), image: pipe },
    { verdict: "changed", stored: 4096, differs: { type: ["pipe", "character device 1:3"] } },
  ],
  [
    "an edited copy of the image's older file is stale",
    { upper: facts({ size: 6 }), image: file, digests: { upper: "u", image: "new" }, recorded: "old" },
    { verdict: "stale", stored: 4096, differs: { content: true }, edited: true },
  ],
  [
    "so is a copy that was never edited",
    { upper: file, image: file, digests: { upper: "old", image: "new" }, recorded: "old" },
    { verdict: "stale", stored: 4096, differs: { content: true }, edited: false },
  ],
  [
    "a file in whose place the image has a folder now is stale",
    { upper: file, image: folder, digests: { upper: "u" }, recorded: "old" },
    { verdict: "stale", stored: 4096, differs: { type: ["folder", "file"] }, edited: true },
  ],
  [
    "a copy of the image's file of today is changed, not stale",
    { upper: facts({ size: 6 }), image: file, digests: { image: "old" }, recorded: "old" },
    { verdict: "changed", stored: 4096, differs: { content: true } },
  ],
  [
    "a copy that has become the image's newer file is unneeded",
    { upper: file, image: file, digests: { upper: "new", image: "new" }, recorded: "old" },
    { verdict: "unneeded", stored: 4096 },
  ],
];
for (const [what, { digests = {}, recorded, upper, image, below }, want] of CASES) {
  test(what, async () => {
    const entry = { path: "/x", upper, image, ...(below ? { below } : {}) };
    const digestOf = async (layer: "upper" | "image"): Promise<string> => {
      assert.ok(digests[layer] !== undefined, `the ${layer} layer's file is read for nothing`);
      return digests[layer];
    };
    assert.deepEqual(await judge(entry, recorded, digestOf), want && { path: "/x", ...want });
  });
}

test("totals count what folders stand for", () => {
  const entries: DiffEntry[] = [
    { path: "/a", verdict: "added", stored: 10, below: 4 },
    { path: "/b", verdict: "stale", stored: 1 },
    { path: "/c", verdict: "added", stored: 2 },
  ];
  assert.deepEqual(totalsOf(entries), { stored: 13, stale: 1, changed: 0, added: 6, removed: 0, unneeded: 0 });
});

test("what a folder holds follows it", () => {
  const paths = ["/a-b", "/a/c", "/a", "/b", "/a.c"].map((path) => ({ path }));
  assert.deepEqual(
    paths.toSorted(byPath).map(({ path }) => path),
    ["/a", "/a/c", "/a-b", "/a.c", "/b"],
  );
});
