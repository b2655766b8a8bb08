import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { naiveTree, type NaiveMember } from "../../tests/support/naive-layers.ts";
import { layerStacks } from "../../tests/support/layer-stacks.ts";
import { layerTree, memberOf, type LayerOptions, type TreeLimits } from "./layer-tree.ts";
import type { TarEntry, TarType } from "./tar-entry.ts";

const LIMITS: TreeLimits = { entries: 10_000, names: 1024 ** 2 };

/** `usr/` is a folder, `bin -> usr/bin` a symbolic link, `a = b` a hard link, `p|` a pipe, everything else a file. */
function parsed(line: string): TarEntry {
  const [, name = "", sign = "", target = ""] = /^(.*?)(?:( -> | = |\||\/$)(.*))?$/.exec(line)!;
  const type: TarType =
    sign === " -> " ? "symlink" : sign === " = " ? "hardLink" : sign === "|" ? "fifo" : sign === "/" ? "folder" : "file";
  return { ...{ type, name, target, mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0, device: [0, 0], attributes: [] } };
}

/** The names that are left, each with the line it comes from as `LAYER:LINE`; implied folders have none. */
function merged(
  layers: readonly (readonly string[])[],
  options: Partial<LayerOptions> = {},
  limits = LIMITS,
): Record<string, string> {
  const tree = layerTree(limits);
  for (const [index, lines] of layers.entries()) {
    const origin = `layer ${index}`;
    tree.lay(
      lines.map((line) => memberOf(parsed(line), origin)),
      { origin, whiteouts: true, ...options },
    );
  }
  const plan = tree.plan();
  const found: Record<string, string> = {};
  for (const name of plan.implied) if (name !== "") found[name] = "";
  for (const [layer, lines] of layers.entries()) {
    for (const [place, line] of lines.entries()) for (const name of plan.names(layer, place)) found[name] = `${layer}:${line}`;
  }
  return found;
}

for (const [what, layers, expected] of [
  ["a layer alone is as it is", [["etc/", "etc/a"]], { etc: "0:etc/", "etc/a": "0:etc/a" }],
  ["folders that are not described are implied", [["usr/bin/a"]], { usr: "", "usr/bin": "", "usr/bin/a": "0:usr/bin/a" }],
  ["a file replaces a file", [["a"], ["a"]], { a: "1:a" }],
  [
    "a folder over a folder keeps what is in it",
    [
      ["d/", "d/x"],
      ["d/", "d/y"],
    ],
    { d: "1:d/", "d/x": "0:d/x", "d/y": "1:d/y" },
  ],
  ["a file replaces a folder and all below", [["d/", "d/x", "d/e/", "d/e/y"], ["d"]], { d: "1:d" }],
  ["a folder replaces a file", [["d"], ["d/", "d/x"]], { d: "1:d/", "d/x": "1:d/x" }],
  [
    "a folder replaces a link to a folder",
    [
      ["r/", "r/x", "d -> r"],
      ["d/", "d/y"],
    ],
    { r: "0:r/", "r/x": "0:r/x", d: "1:d/", "d/y": "1:d/y" },
  ],
  ["a whiteout takes a file away", [["a", "b"], [".wh.a"]], { b: "0:b" }],
  ["a whiteout takes a folder away with all below", [["d/", "d/e/", "d/e/x"], [".wh.d"]], {}],
  ["a whiteout of nothing is nothing", [["a"], [".wh.b", "no/.wh.c"]], { a: "0:a" }],
  ["a whiteout does not hide its own layer, before it", [["a"], ["a", ".wh.a"]], { a: "1:a" }],
  ["a whiteout does not hide its own layer, after it", [["a"], [".wh.a", "a"]], { a: "1:a" }],
  [
    "a folder that is taken away and made again is empty",
    [
      ["d/", "d/x"],
      ["d/", "d/y", ".wh.d"],
    ],
    { d: "1:d/", "d/y": "1:d/y" },
  ],
  [
    "an opaque folder hides what is below",
    [
      ["d/", "d/x", "d/e/", "d/e/y"],
      ["d/", "d/.wh..wh..opq", "d/z"],
    ],
    { d: "1:d/", "d/z": "1:d/z" },
  ],
  [
    "an opaque folder keeps its own, wherever the mark is",
    [
      ["d/", "d/x"],
      ["d/z", "d/.wh..wh..opq"],
    ],
    { d: "0:d/", "d/z": "1:d/z" },
  ],
  [
    "the root can be opaque",
    [
      ["a", "d/"],
      [".wh..wh..opq", "b"],
    ],
    { b: "1:b" },
  ],
  ["a whiteout counts for lower layers only", [["a"], [".wh.a"], ["a"]], { a: "2:a" }],
  [
    "what is written through a link of usrmerge goes where it leads",
    [["usr/", "usr/bin/", "bin -> usr/bin"], ["bin/x"]],
    { usr: "0:usr/", "usr/bin": "0:usr/bin/", bin: "0:bin -> usr/bin", "usr/bin/x": "1:bin/x" },
  ],
  ["a whiteout works through a link", [["usr/", "usr/x", "bin -> usr"], ["bin/.wh.x"]], { usr: "0:usr/", bin: "0:bin -> usr" }],
  [
    "a whiteout does not work through a link that becomes a folder",
    [
      ["usr/", "usr/x", "bin -> usr"],
      ["bin/", "bin/.wh.x", "bin/y"],
    ],
    { usr: "0:usr/", "usr/x": "0:usr/x", bin: "1:bin/", "bin/y": "1:bin/y" },
  ],
  ["an absolute link ends in the tree", [["l -> /etc", "etc/"], ["l/x"]], { l: "0:l -> /etc", etc: "0:etc/", "etc/x": "1:l/x" }],
  [
    "a link upwards ends at the root",
    [["l -> ../../../../etc", "l/x"]],
    { l: "0:l -> ../../../../etc", etc: "", "etc/x": "0:l/x" },
  ],
  [
    "chained links end in the tree",
    [["a -> b/c", "b -> /d/..", "c -> ../../..", "a/x"]],
    { a: "0:a -> b/c", b: "0:b -> /d/..", c: "0:c -> ../../..", d: "", x: "0:a/x" },
  ],
  [
    "links may point anywhere as long as nobody goes through them",
    [["l -> /../../host", "m -> /proc/self/root"]],
    { l: "0:l -> /../../host", m: "0:m -> /proc/self/root" },
  ],
  ["a hard link is the file", [["a", "b = a"]], { a: "0:a", b: "0:a" }],
  ["a hard link outlives the name it was made by", [["a", "b = a"], [".wh.a"]], { b: "0:a" }],
  ["a hard link outlives the replacement of its file", [["a"], ["b = a"], ["a"]], { a: "2:a", b: "0:a" }],
  ["a hard link to a lower layer's file", [["a"], ["d/b = a"]], { a: "0:a", d: "", "d/b": "0:a" }],
  ["a hard link to a symbolic link", [["l -> x", "m = l"]], { l: "0:l -> x", m: "0:l -> x" }],
  [
    "a hard link through a link",
    [["usr/", "usr/a", "bin -> usr", "b = bin/a"]],
    { usr: "0:usr/", "usr/a": "0:usr/a", bin: "0:bin -> usr", b: "0:usr/a" },
  ],
  ["a folder twice is one: the last counts", [["d/", "d/x", "d/"]], { d: "0:d/", "d/x": "0:d/x" }],
  ["what is below /dev is left out", [["dev/", "dev/null", "dev/pts/", "dev/log -> /run/log"]], { dev: "0:dev/" }],
  ["pipes are kept", [["run/p|"]], { run: "", "run/p": "0:run/p|" }],
] as const satisfies readonly (readonly [string, readonly (readonly string[])[], Record<string, string>])[]) {
  test(what, () => {
    assert.deepEqual(merged(layers), expected);
  });
}

const DEEP = "d/".repeat(1900);
for (const [what, layers, message] of [
  ["a name that leads upwards", [["../etc/passwd"]], /layer 0: \.\.\/etc\/passwd: leads upwards/],
  ["one that does so in the middle", [["a/../../b"]], /leads upwards/],
  ["an absolute name", [["/etc/passwd"]], /\/etc\/passwd: is absolute/],
  ["a name with an empty part", [["a//b"]], /a\/\/b: has an empty part/],
  ["a name with a point as part", [["a/./b"]], /has an empty part/],
  ["no name", [[""]], /an entry without a name: has no name/],
  ["a root that is a file", [["."]], /is the root and no folder/],
  ["a part of 256 bytes", [["x".repeat(256)]], /a part of more than 255 bytes/],
  ["a hard link that leads upwards", [["a", "b = ../a"]], /b: is a hard link to \.\.\/a, which leads upwards/],
  ["an absolute hard link", [["b = /etc/passwd"]], /b: is a hard link to \/etc\/passwd, which is absolute/],
  ["a hard link to nothing", [["b = a"]], /b: is a hard link to a, which is not there/],
  ["a hard link to what comes later", [["b = a", "a"]], /which is not there/],
  ["a hard link to what was taken away", [["a"], [".wh.a", "b = a"]], /layer 1: b: is a hard link to a, which is not there/],
  ["a hard link to a folder", [["d/", "b = d"]], /which is a folder/],
  ["a hard link to itself", [["b = b"]], /which is not there/],
  ["a file twice", [["a", "a"]], /a: is there twice/],
  ["a file twice, once through a link", [["usr/", "bin -> usr", "usr/a", "bin/a"]], /bin\/a: is there twice: usr\/a/],
  ["a folder that becomes a file within a layer", [["d/", "d"]], /d: is there twice/],
  ["an implied folder that becomes a file within a layer", [["d/e/x", "d"]], /d: is there twice/],
  [
    "a lower folder that becomes a link after something was put in it",
    [
      ["d/", "e/"],
      ["d/x", "d -> e"],
    ],
    /d: is there twice/,
  ],
  ["a file that becomes a folder within a layer", [["d", "d/"]], /d: is there twice/],
  ["something below a file", [["a", "a/b"]], /a\/b: lies below a, which is no folder/],
  ["something below a lower layer's file", [["a"], ["a/b/c"]], /lies below a, which is no folder/],
  ["a loop of links", [["a -> b", "b -> a", "a/x"]], /a\/x: leads through more than 40 links: [ab] is in a loop/],
  ["a link to itself", [["a -> a", "a/x"]], /more than 40 links/],
  ["a link into itself", [["a -> a/b", "a/x"]], /more than 40 links/],
  ["a link to a name that no file system has", [[`l -> ${"x".repeat(300)}`, "l/a"]], /a name that is longer than 255 bytes/],
  [
    "links that make a path of more than 4096 bytes",
    [[`l -> ${DEEP}`, "l/l -> .", `l/m -> ${DEEP}`, "l/m/x"]],
    /a path of more than 4096 bytes/,
  ],
  ["a whiteout of the folder itself", [["d/.wh."]], /is a whiteout of nothing/],
  ["a whiteout of .", [["d/.wh.."]], /is a whiteout of nothing/],
  ["a whiteout of ..", [["d/.wh..."]], /is a whiteout of nothing/],
  ["what AUFS keeps", [[".wh..wh.plnk/"]], /is a whiteout and a folder|nothing that can be named/],
  ["a whiteout of a whiteout", [[".wh..wh.aufs"]], /is a whiteout of nothing/],
  ["a whiteout that is a link", [[".wh.a -> b"]], /is a whiteout and a symlink/],
  ["something below a whiteout", [[".wh.a/b"]], /lies below a whiteout/],
] as const satisfies readonly (readonly [string, readonly (readonly string[])[], RegExp])[]) {
  test(`${what} is refused, and named`, () => {
    assert.throws(
      () => merged(layers),
      (error) => error instanceof AppError && error.code === "ARCHIVE_REFUSED" && message.test(error.message),
    );
  });
}

for (const [what, entry, message] of [
  [
    "a device outside of /dev",
    { type: "block", name: "etc/sda", device: [8, 0] },
    /etc\/sda: is a device \(8:0\) outside of \/dev/,
  ],
  ["a whiteout of overlayfs", { type: "character", name: "etc/x", device: [0, 0] }, /is a whiteout of overlayfs/],
  ["a target of 4096 bytes", { type: "symlink", name: "l", target: "x".repeat(4096) }, /its target is longer/],
] as const satisfies readonly (readonly [string, Partial<TarEntry>, RegExp])[]) {
  test(`${what} is refused`, () => {
    assert.throws(() => memberOf({ ...parsed("x"), ...entry }, "a.tar"), message);
  });
}

test("names such as .wh.x are names where there are no layers", () => {
  assert.deepEqual(merged([["a", ".wh.a", ".wh.d/", ".wh.d/x"]], { whiteouts: false }), {
    ...{ a: "0:a", ".wh.a": "0:.wh.a", ".wh.d": "0:.wh.d/", ".wh.d/x": "0:.wh.d/x" },
  });
});

for (const [what, layers, limits, message] of [
  [
    "entries",
    [
      ["a", "b"],
      ["c", "d"],
    ],
    { entries: 3 },
    /layer 1: d: is more than the 3 entries/,
  ],
  ["entries that are left out", [["dev/1", "dev/2", "dev/3", "a"]], { entries: 3 }, /a: is more than the 3 entries/],
  ["implied folders", [["a/b/c/d/e"]], { entries: 3 }, /a\/b\/c\/d\/e: is more than the 3 entries/],
  ["names", [["aaaaaaaaaa", "bbbbbbbbbb"]], { names: 20 }, /bbbbbbbbbb: the names of the archive are more than 20 bytes/],
  ["targets", [["a -> 0123456789abcdefghij"]], { names: 20 }, /more than 20 bytes/],
  [
    "steps through links",
    [[`l -> ${"./d/../".repeat(50)}`, "d/", ...Array.from({ length: 9 }, (_, i) => `l/l/${i}`)]],
    { entries: 25 },
    /links without end/,
  ],
] as const satisfies readonly (readonly [string, readonly (readonly string[])[], Partial<TreeLimits>, RegExp])[]) {
  test(`too many ${what} are refused`, () => {
    assert.throws(() => merged(layers, {}, { ...LIMITS, ...limits }), message);
  });
}

/** @returns `LAYER/PLACE` of each name, or nothing where it is refused */
function quick(layers: readonly (readonly NaiveMember[])[]): Record<string, string> | undefined {
  const tree = layerTree(LIMITS);
  try {
    for (const [index, members] of layers.entries()) {
      tree.lay(
        members.map((m) => memberOf({ ...parsed("x"), ...m }, "x")),
        { origin: `layer ${index}`, whiteouts: true },
      );
    }
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
  const plan = tree.plan();
  const found: Record<string, string> = Object.fromEntries(plan.implied.map((path) => [path, ""]));
  for (const [layer, members] of layers.entries()) {
    for (const place of members.keys()) for (const path of plan.names(layer, place)) found[path] = `${layer}/${place}`;
  }
  return found;
}

test("layers become the tree that they become one path after the other", () => {
  let refusals = 0;
  let deep = 0;
  const runs = 4000;
  fc.assert(
    fc.property(layerStacks, (layers) => {
      const naive = naiveTree(layers);
      const expected = naive && Object.fromEntries([...naive].map(([path, { source }]) => [path, source]));
      assert.deepEqual(quick(layers), expected);
      if (!expected) refusals++;
      else if (Object.keys(expected).length > 5) deep++;
    }),
    { numRuns: runs },
  );
  // Neither is everything refused, nor nothing.
  assert.ok(refusals > runs / 20 && deep > runs / 20, `${refusals} refused, ${deep} large`);
});
