/** Real tools make images of a tree with everything that a file can have; what petrify takes from them is compared file by file. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openBase } from "../../src/build/base.ts";
import type { BuildContext } from "../../src/build/context.ts";
import { unpackBase } from "../../src/build/tree.ts";
import { packRoot } from "../../src/build/pack-root.ts";
import type { BaseSource } from "../../src/config/base.ts";
import { Recipe } from "../../src/config/recipe.ts";
import { readStream } from "../../src/host/stream-file.ts";
import { tarReader } from "../../src/layout/tar-reader.ts";
import { testContext } from "../support/build-context.ts";
import { file, folder, hardLink, symlink, tar } from "../support/tar.ts";

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

describe("bases that come as a whole", () => {
  let work = "";
  let context: BuildContext;
  let expected: Listing;
  const at = (...parts: readonly string[]): string => join(work, ...parts);
  let count = 0;

  /** The tree of the base, unpacked as a build does. */
  const treeOf = async (source: BaseSource): Promise<{ folder: string; base: Awaited<ReturnType<typeof openBase>> }> => {
    const folder = at(`build-${count++}`);
    await mkdir(folder);
    const recipe = Recipe.parse({ apiVersion: "petrify/v1", name: "test", base: { rootfs: "x" } });
    const base = await openBase(source, { recipe, recipeFolder: work, lock: undefined, renew: false, work: folder }, context);
    const { users, groups } = { users: [], groups: [] };
    const tree = await unpackPlain(base.tar, folder, { users, groups });
    return { folder: tree, base };
  };
  /** Without what a build writes into it. */
  const unpackPlain = async (path: string, folder: string, ids: { users: []; groups: [] }): Promise<string> => {
    const { fs } = await unpackBase(path, ids, folder, context);
    for (const name of ["passwd", "group", "shadow", "gshadow"]) await fs.remove(`/etc/${name}`);
    return fs.folder;
  };

  before(async () => {
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
  after(async () => await rm(work, { recursive: true, force: true }));

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
    assert.match(expected["etc/inherits/nothing"]!, /^file 644 0 0 1  [0-9a-f]+$/);
    has("etc/labelled", `security.selinux=${Buffer.from("system_u:object_r:etc_t:s0\0").toString("hex")}`);
    has("etc/attributes", "user.binary=00ff0a3d", "user.text=74");
    has("etc/owned", "70000", "80000");
    has("etc/owned-far", "3000000", "4000000000");
    has("etc/far", `/${VERY_LONG}`);
    for (const name of [LONG, VERY_LONG, "etc/\xc3\xa9\xff name\n"]) assert.ok(expected[name], name);
  });

  test("an image of one layer becomes that tree again, with all that its files have", async () => {
    const { folder: tree, base } = await treeOf({ kind: "oci", path: "layout", tag: "v1" });
    assert.deepEqual(await listing(context, tree, work), expected);
    assert.match(base.inputs, /^sha256:[0-9a-f]{64}$/);
  });
});
