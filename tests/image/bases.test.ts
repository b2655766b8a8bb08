/** Real tools make images of a tree with everything that a file can have; what petrify takes from them is compared file by file. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { after, before, describe, test } from "node:test";
import { openBase, type Base } from "../../src/build/base.ts";
import { LIMITS } from "../../src/layout/archive-limits.ts";
import { plainFile } from "../../src/build/bases/plain-tar.ts";
import { MiB } from "../../src/core/units.ts";
import type { BuildContext } from "../../src/build/context.ts";
import { unpackBase, type Tree } from "../../src/build/tree.ts";
import { packRoot } from "../../src/build/pack-root.ts";
import type { BaseSource } from "../../src/config/base.ts";
import { Recipe } from "../../src/config/recipe.ts";
import { readStream } from "../../src/host/stream-file.ts";
import { tarReader } from "../../src/layout/tar-reader.ts";
import fc from "fast-check";
import { layerStacks, tarsOf } from "../support/layer-stacks.ts";
import { naiveTree, type NaiveMember } from "../support/naive-layers.ts";
import { image, layout, writeFiles } from "../support/oci.ts";
import { testContext } from "../support/build-context.ts";
import { file, folder, hardLink, symlink, tar } from "../support/tar.ts";
import { takeCore } from "../support/turns.ts";

const FULL = process.env["PETRIFY_TEST"] === "full";
const CAPABILITY = Buffer.from("0100000200040000000000000000000000000000", "hex");
const ACL = Buffer.from("0200000001000600ffffffff02000500e803000004000400ffffffff10000500ffffffff20000400ffffffff", "hex");
const DEFAULT_ACL = Buffer.from(
  "0200000001000700ffffffff02000700e903000004000500ffffffff10000700ffffffff20000500ffffffff",
  "hex",
);
const LONG = `long/${"p".repeat(194)}`;
const VERY_LONG = `${"very-long-folder-name/".repeat(140)}file`;

/** What can be lost on the way. Known byte by byte, so that what is compared with is not one of the tools' own. */
const TREE = tar(
  { name: "./", flag: "5", mode: 0o755 },
  folder("etc"),
  file("etc/os-release", "ID=test\n"),
  folder("usr"),
  folder("usr/bin"),
  symlink("bin", "usr/bin"),
  symlink("usr/absolute", "/etc/os-release"),
  file("usr/bin/ping", "ping", { mode: 0o755, pax: { "SCHILY.xattr.security.capability": CAPABILITY } }),
  file("usr/bin/su", "su", { mode: 0o4755 }),
  hardLink("usr/bin/again", "usr/bin/su"),
  file("etc/acl", "acl", { mode: 0o654, pax: { "SCHILY.xattr.system.posix_acl_access": ACL } }),
  folder("etc/inherits", { pax: { "SCHILY.xattr.system.posix_acl_default": DEFAULT_ACL } }),
  file("etc/inherits/nothing", "n"),
  folder("etc/inherits/folder"),
  file("etc/labelled", "l", { pax: { "SCHILY.xattr.security.selinux": "system_u:object_r:etc_t:s0\0" } }),
  file("etc/attributes", "a", {
    pax: { "SCHILY.xattr.user.binary": Buffer.from([0, 255, 10, 61]), "SCHILY.xattr.user.text": "t" },
  }),
  file("etc/owned", "o", { uid: 70_000, gid: 80_000 }),
  file("etc/owned-far", "o", { pax: { uid: "3000000", gid: "4000000000" } }),
  file("etc/\xc3\xa9\xff name\n", "not UTF-8"),
  folder("long"),
  file("x", "long", { pax: { path: LONG } }),
  file("x", "very long", { pax: { path: VERY_LONG } }),
  symlink("etc/far", "x", { pax: { linkpath: `/${VERY_LONG}` } }),
  file("etc/zeros", new Uint8Array(300_000)),
  { name: "etc/pipe", flag: "6" },
  folder("tmp", { mode: 0o1777 }),
  // After other folders: what unpacks it has left the folder that it is in.
  file("etc/inherits/late", "late"),
);

/** Everything of a file but its time. */
type Listing = Readonly<Record<string, string>>;

async function listing(context: BuildContext, root: string, work: string): Promise<Listing> {
  const packed = join(work, `listed-${Math.random().toString(36).slice(2)}.tar`);
  await context.tools.run(
    [
      ...([
        "tar",
        "--create",
        `--file=${packed}`,
        `--directory=${root}`,
        "--format=posix",
        "--sort=name",
        "--numeric-owner",
      ] as const),
      ...["--xattrs", "--xattrs-include=*", "."],
    ],
    { binds: [{ source: root }, { source: work, writable: true }], anyOwner: true },
  );
  return await listingOfTar(packed);
}

async function listingOfTar(path: string): Promise<Listing> {
  const found: Record<string, string> = {};
  const groups = new Map<string, string[]>();
  let current = "";
  let hash = createHash("sha256");
  const reader = tarReader(
    { origin: path },
    {
      entry: ({ type, name, target, mode, uid, gid, size, attributes }) => {
        current = name.replace(/^\.\//, "");
        hash = createHash("sha256");
        if (type === "hardLink") {
          const first = target.replace(/^\.\//, "");
          groups.set(first, [...(groups.get(first) ?? [first]), current]);
          return;
        }
        const named = attributes.map(([key, value]) => `${key}=${Buffer.from(value).toString("hex")}`);
        found[current] = [type, (mode & 0o7777).toString(8), uid, gid, size, target, ...named].join(" ");
      },
      data: (bytes) => void hash.update(bytes),
      end: () => {
        if (found[current]?.startsWith("file")) found[current] += ` ${hash.digest("hex").slice(0, 16)}`;
      },
    },
  );
  for await (const chunk of readStream(path)) reader.push(chunk);
  reader.finish();
  // Which of the names comes first is the packer's choice.
  for (const [first, names] of groups) for (const name of names) found[name] = `${found[first]} = ${names.toSorted().join(" ")}`;
  return found;
}

/** Layers that no tool writes, of which umoci makes another tree, or none: whiteouts that may lead through a link of the same layer, a folder replaced by what was in it. */
const isUnheardOf = (layer: readonly NaiveMember[]): boolean =>
  layer.some(
    ({ type, name, target }) =>
      (type === "hardLink" && target.startsWith(`${name}/`)) ||
      (name.includes("/.wh.") && layer.some((other) => other.type === "symlink")),
  );

describe("bases that come as a whole", () => {
  let work = "";
  let context: BuildContext;
  let expected: Listing;
  const at = (...parts: readonly string[]): string => join(work, ...parts);
  let count = 0;

  /** The tree of the base, unpacked as a build does. */
  const treeOf = async (source: BaseSource): Promise<{ tree: Tree; base: Base }> => {
    const own = at(`build-${count++}`);
    await mkdir(own);
    const recipe = Recipe.parse({ apiVersion: "petrify/v1", name: "test", base: { rootfs: "x" } });
    const base = await openBase(source, { recipe, recipeFolder: work, lock: undefined, renew: false, work: own }, context);
    const tree = await unpackBase(base.tar, { users: [], groups: [] }, own, context);
    // What a build writes into every tree.
    for (const name of ["passwd", "group", "shadow", "gshadow"]) await tree.fs.remove(`/etc/${name}`);
    return { tree, base };
  };

  let turn: AsyncDisposable | undefined;
  before(async () => {
    turn = await takeCore();
    work = await mkdtemp(join(tmpdir(), "petrify-bases-"));
    context = await testContext({ cacheFolder: at("cache") });
    await writeFile(at("tree.tar"), TREE);
    await mkdir(at("tree"));
    await context.tools.run(
      [
        ...([
          "tar",
          "--extract",
          `--file=${at("tree.tar")}`,
          `--directory=${at("tree")}`,
          "--numeric-owner",
          "--same-permissions",
        ] as const),
        ...["--xattrs", "--xattrs-include=*", "--delay-directory-restore"],
      ],
      { binds: [{ source: work, writable: true }], anyOwner: true },
    );
    expected = await listing(context, at("tree"), work);
    await makeImages();
  });
  after(async () => {
    await rm(work, { recursive: true, force: true });
    await turn?.[Symbol.asyncDispose]();
  });

  /** Two layers by umoci: the tree and a change of it; and the same in every form that skopeo knows. */
  async function makeImages(): Promise<void> {
    const tools = await context.containerTools();
    const run = async (...argv: [string, ...string[]]): Promise<void> =>
      void (await tools.run(argv, {
        binds: [{ source: work, writable: true }],
        anyOwner: true,
        cwd: work,
        env: { TMPDIR: work },
      }));
    await run("umoci", "init", "--layout", at("layout"));
    await run("umoci", "new", "--image", `${at("layout")}:v1`);
    await run("umoci", "unpack", "--image", `${at("layout")}:v1`, at("bundle"));
    await run("cp", "--archive", `${at("tree")}/.`, at("bundle/rootfs"));
    await run("umoci", "repack", "--image", `${at("layout")}:v1`, at("bundle"));
    await run("rm", at("bundle/rootfs/usr/bin/su"), at("bundle/rootfs/etc/zeros"));
    await run("rm", "--recursive", at("bundle/rootfs/etc/inherits"));
    await run("mkdir", at("bundle/rootfs/etc/inherits"));
    await run("cp", at("bundle/rootfs/etc/os-release"), at("bundle/rootfs/etc/inherits/new"));
    await run("umoci", "repack", "--image", `${at("layout")}:v2`, at("bundle"));
    for (const [form, ...options] of [
      [`oci-archive:${at("v2.oci.tar")}:v2`],
      [`docker-archive:${at("v2.docker.tar")}:name:v2`],
      [`oci:${at("zstd")}:v2`, "--dest-compress-format", "zstd"],
      [`oci:${at("plain")}:v2`, "--dest-decompress"],
    ] as const) {
      await run("skopeo", "--insecure-policy", "--tmpdir", work, "copy", ...options, `oci:${at("layout")}:v2`, form);
    }
  }

  test("the tree is what it was meant to be", () => {
    const has = (name: string, ...words: readonly string[]): void => {
      for (const word of words)
        assert.ok(` ${expected[name]} `.includes(` ${word} `), `${name}: ${expected[name]} has no ${word}`);
    };
    has("usr/bin/ping", "file", "755", `security.capability=${CAPABILITY.toString("hex")}`);
    has("usr/bin/su", "4755", "usr/bin/again");
    has("etc/acl", `system.posix_acl_access=${ACL.toString("hex")}`);
    has("etc/inherits", `system.posix_acl_default=${DEFAULT_ACL.toString("hex")}`);
    for (const name of ["nothing", "late"]) assert.match(expected[`etc/inherits/${name}`]!, /^file 644 0 0 \d  [0-9a-f]+$/);
    has("etc/labelled", `security.selinux=${Buffer.from("system_u:object_r:etc_t:s0\0").toString("hex")}`);
    has("etc/attributes", "user.binary=00ff0a3d", "user.text=74");
    has("etc/owned", "70000", "80000");
    has("etc/owned-far", "3000000", "4000000000");
    has("etc/far", `/${VERY_LONG}`);
    for (const name of [LONG, VERY_LONG, "etc/\xc3\xa9\xff name\n"]) assert.ok(expected[name], name);
  });

  /** umoci leaves labels out of what it packs. */
  const withoutLabels = (all: Listing): Listing =>
    Object.fromEntries(Object.entries(all).map(([name, what]) => [name, what.replace(/security\.selinux=\S+ /, "")]));

  test("an image of one layer becomes that tree again, with all that its files have", async () => {
    const { tree, base } = await treeOf({ kind: "oci", path: "layout", tag: "v1" });
    assert.deepEqual(await listing(context, tree.fs.folder, work), withoutLabels(expected));
    assert.match(base.inputs, /^sha256:[0-9a-f]{64}$/);
  });

  test("an image whose files have labels keeps them", async () => {
    await writeFiles(at("labelled"), layout(image([TREE])));
    const { tree } = await treeOf({ kind: "oci", path: "labelled", tag: undefined });
    assert.deepEqual(await listing(context, tree.fs.folder, work), expected);
  });

  for (const [what, source] of [
    ["a folder, compressed with gzip", { kind: "oci", path: "layout", tag: "v2" }],
    ["a folder, compressed with zstd", { kind: "oci", path: "zstd", tag: undefined }],
    ["a folder, not compressed", { kind: "oci", path: "plain", tag: "v2" }],
    ["an archive", { kind: "ociArchive", path: "v2.oci.tar", tag: "v2" }],
    ["an archive of docker's", { kind: "dockerArchive", path: "v2.docker.tar", tag: "v2" }],
  ] as const) {
    test(`an image of two layers as ${what} becomes the tree that umoci makes of it`, async () => {
      const tools = await context.containerTools();
      const judged = at(`judged-${count}`);
      await tools.run(["umoci", "unpack", "--image", `${at("layout")}:v2`, judged], {
        binds: [{ source: work, writable: true }],
        anyOwner: true,
      });
      const theirs = await listing(context, join(judged, "rootfs"), work);
      assert.equal(theirs["etc/zeros"], undefined);
      assert.equal(theirs["etc/inherits/nothing"], undefined);
      assert.ok(theirs["etc/inherits/new"] && theirs["usr/bin/again"] && theirs[VERY_LONG]);
      const { tree } = await treeOf(source);
      assert.deepEqual(await listing(context, tree.fs.folder, work), theirs);
    });
  }

  test("layers at random become the tree that umoci makes of them", async () => {
    const tools = await context.containerTools();
    let judged = 0;
    // A fixed seed, so that what passes once passes again.
    for (const layers of fc.sample(layerStacks, { numRuns: 500, seed: 1 })) {
      const sorted = layers.map((all) => all.toSorted((x, y) => (x.name < y.name ? -1 : 1)));
      if ((naiveTree(sorted)?.size ?? 0) < 4 || sorted.some(isUnheardOf)) continue;
      if (++judged > (FULL ? 60 : 12)) break;
      const [path, bundle] = [at(`random-${judged}`), at(`random-bundle-${judged}`)];
      await writeFiles(
        path,
        layout(
          image(
            tarsOf(sorted, (source) => source),
            { tag: "v1" },
          ),
        ),
      );
      await tools.run(["umoci", "unpack", "--image", `${path}:v1`, bundle], {
        binds: [{ source: work, writable: true }],
        anyOwner: true,
      });
      const { tree } = await treeOf({ kind: "oci", path, tag: undefined });
      const theirs = await listing(context, join(bundle, "rootfs"), work);
      await tree.fs.remove("/etc");
      const ours = await listing(context, tree.fs.folder, work);
      assert.deepEqual(ours, theirs, JSON.stringify(sorted));
    }
  });

  for (const [what, name, pack] of [
    ["a tar", "tree.tar", (bytes) => bytes],
    ["a tar compressed with gzip", "tree.tar.gz", (bytes) => gzipSync(bytes)],
    ["a tar compressed with zstd", "tree.tar.zst", (bytes) => zstdCompressSync(bytes)],
    ["a tar compressed with xz", "tree.tar.xz", async () => await packedBy("xz")],
    ["a tar compressed with bzip2, called otherwise", "tree.tar.bz2.backup", async () => await packedBy("bzip2")],
    ["a folder", "tree", undefined],
  ] as const satisfies readonly (readonly [
    string,
    string,
    ((bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>) | undefined,
  ])[]) {
    test(`a root file system as ${what} stays what it is`, async () => {
      if (pack) await writeFile(at(name), await pack(TREE));
      const { tree, base } = await treeOf({ kind: "rootfs", path: name });
      assert.deepEqual(await listing(context, tree.fs.folder, work), expected);
      if (pack)
        assert.equal(
          base.inputs,
          `sha256:${createHash("sha256")
            .update(await readFile(at(name)))
            .digest("hex")}`,
        );
      // Of the newest entry. Folders that the tar did not tell of were made by unpacking it.
      if (pack) assert.equal(base.time, 1_700_000_000);
    });
  }
  const packedBy = async (program: "xz" | "bzip2"): Promise<Uint8Array> => {
    await writeFile(at("to-pack"), TREE);
    return await packed(program);
  };
  const packed = async (program: "xz" | "bzip2"): Promise<Uint8Array> => {
    await (
      await context.containerTools()
    ).run([program, "--force", at("to-pack")], { binds: [{ source: work, writable: true }] });
    return await readFile(at(`to-pack.${program === "xz" ? "xz" : "bz2"}`));
  };

  for (const program of ["xz", "bzip2"] as const) {
    test(`what ${program} decompresses is limited, and refused when it is damaged`, async () => {
      await writeFile(at("to-pack"), new Uint8Array(20 * MiB));
      const bomb = await packed(program);
      const half = Math.floor(bomb.length / 2);
      await writeFile(at("bomb"), bomb);
      const limits = { ...LIMITS, ratioFrom: MiB, ratio: 2 };
      await assert.rejects(plainFile("bomb", at("bomb"), at("plain-bomb"), context, limits), {
        code: "ARCHIVE_REFUSED",
        message: "bomb: becomes more than 1 MiB when it is decompressed",
      });
      assert.ok((await stat(at("plain-bomb/plain/archive")).catch(() => ({ size: 0 }))).size <= MiB);
      for (const [what, bytes] of [
        ["cut", bomb.subarray(0, half)],
        ["damaged", Buffer.from(bomb).fill(0x55, half)],
      ] as const) {
        await writeFile(at(what), bytes);
        await assert.rejects(plainFile(what, at(what), at(`plain-${what}`), context), {
          code: "ARCHIVE_REFUSED",
          message: new RegExp(`^${what}: is not ${program} that can be read: `),
        });
      }
    });
  }

  test("a folder is packed into the same bytes again", async () => {
    const [one, two] = [await treeOf({ kind: "rootfs", path: "tree" }), await treeOf({ kind: "rootfs", path: "tree" })];
    assert.equal(one.base.inputs, two.base.inputs);
  });

  test("all of it is in the root file system of an image", async () => {
    const { tree } = await treeOf({ kind: "rootfs", path: "tree.tar" });
    await packRoot(tree, 1_700_000_000, "none", at("root.erofs"));
    const run = async (...argv: [string, ...string[]]): Promise<string> =>
      (await context.tools.run(argv, { binds: [{ source: work, writable: true }], anyOwner: true })).stdout;
    await run("fsck.erofs", `--extract=${at("extracted")}`, "--xattrs", at("root.erofs"));
    const found = await listing(context, at("extracted"), work);
    // fsck.erofs sets attributes first: an owner that is set after it takes the capabilities, and a folder's ACL is inherited by what it holds.
    const CHANGED = ["usr/bin/ping", ...["nothing", "late", "folder"].map((name) => `etc/inherits/${name}`)];
    const others = (all: Listing): Listing => Object.fromEntries(Object.entries(all).filter(([name]) => !CHANGED.includes(name)));
    assert.deepEqual(others(found), others(expected));
    await run("fsck.erofs", `--extract=${at("unowned")}`, "--xattrs", "--no-preserve-owner", at("root.erofs"));
    assert.equal((await listing(context, at("unowned"), work))["usr/bin/ping"], expected["usr/bin/ping"]);
    for (const name of CHANGED.slice(1))
      assert.match(await run("dump.erofs", `--path=/${name}`, at("root.erofs")), /Xattr size: 0\n/);
  });
});
