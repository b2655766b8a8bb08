import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import * as fc from "fast-check";
import { noise } from "../../tests/support/small-image.ts";
import type { TarEntry } from "../../tests/support/tree-tar.ts";
import { testTools } from "../../tests/support/tools.ts";
import { erofsOf } from "../../tests/support/tree-image.ts";
import { AppError } from "../core/error.ts";
import type { Tools } from "../host/tools.ts";
import { openImageTree } from "../inspect/image-tree.ts";
import { openErofs, type Erofs } from "./erofs.ts";
import type { ReadAt } from "./gpt.ts";

let tools: Tools;
before(async () => {
  tools = await testTools();
});

const LONG = "n".repeat(255);
const ENTRIES: readonly TarEntry[] = [
  { path: "etc/" },
  { path: "etc/empty", data: "" },
  { path: "etc/shadow", data: "root:*\n", mode: 0o640, gid: 42 },
  { path: "etc/large", data: noise(100_001, "large"), uid: 1000, gid: 1000 },
  { path: "etc/text", data: "the same line again\n".repeat(10_000) },
  { path: "etc/whole-blocks", data: noise(8192, "blocks"), uid: 70_000, gid: 3_000_000 },
  { path: "etc/same", type: "hard link", target: "etc/large" },
  { path: "etc/link", target: "../etc/large" },
  { path: "etc/long-link", target: `/${"t".repeat(3000)}` },
  { path: "usr/bin/su", data: "su", mode: 0o4755 },
  {
    path: "usr/bin/ping",
    data: "ping",
    attributes: { "security.capability": Buffer.from("0100000200200000000000000000000000000000", "hex") },
  },
  {
    path: "usr/bin/labels",
    data: "x",
    attributes: { "security.selinux": "system_u:object_r:bin_t:s0\0", "user.note": "a note" },
  },
  ...["a", "b", "c", "d"].map((name) => ({
    path: `usr/share/${name}`,
    data: name,
    attributes: { "user.all": "the same for all" },
  })),
  { path: "tmp/", mode: 0o1777 },
  { path: "dev/null", type: "character", device: [1, 3] },
  { path: "dev/vda", type: "block", device: [254, 17] },
  { path: "run/fifo", type: "fifo" },
  { path: `deep/${LONG}/${LONG}/${LONG}/${LONG}/file`, data: "deep" },
  { path: "deep/grüße", data: "utf-8" },
  ...Array.from({ length: 1200 }, (_, i) => ({ path: `many/file-${i}`, data: String(i) })),
];

const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (at, length) =>
    bytes.subarray(at, at + length);

interface Found {
  readonly kind: string;
  readonly mode: number;
  readonly ids: readonly number[];
  readonly links: number;
  readonly target?: string;
  readonly device?: number;
  readonly digest?: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Everything that a reader says, by path. */
function all(fs: Erofs, bytes: Uint8Array): Map<string, Found> {
  const found = new Map<string, Found>();
  const visit = (nid: number, path: string): void => {
    const { kind, mode, uid, gid, links, device, size } = fs.inode(nid);
    const attributes = Object.fromEntries(
      [...fs.attributes(nid)].map(([name, value]) => [name, Buffer.from(value).toString("latin1")]),
    );
    const extents = kind === "file" ? fs.extents(nid) : undefined;
    const contents = extents?.map(({ start, size: length }) =>
      start === undefined ? Buffer.alloc(length) : bytes.subarray(start, start + length),
    );
    const whole = contents && Buffer.concat(contents);
    if (whole) assert.equal(whole.length, size);
    found.set(path, {
      ...{ kind, mode, ids: [uid, gid], links, attributes },
      ...(kind === "link" ? { target: fs.target(nid) } : {}),
      ...(device === undefined ? {} : { device }),
      ...(kind === "file" ? { digest: whole && createHash("sha256").update(whole).digest("hex") } : {}),
    });
    if (kind === "folder") for (const { name, nid: child } of fs.list(nid)) visit(child, path === "" ? name : `${path}/${name}`);
  };
  visit(fs.root, "");
  return found;
}

for (const [form, compressed] of [
  [[], false],
  [["--chunksize=4096"], false],
  [["-Eforce-inode-extended"], false],
  [["-b", "1024"], false],
  [["-zlz4hc", "-C65536"], true],
  [["-zzstd,level=3", "-C65536"], true],
] as const) {
  test(`an EROFS made with ${form.join(" ") || "nothing special"} is read as it was written`, async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-erofs-"));
    const path = join(dir.path, "root");
    await erofsOf(tools, ENTRIES, path, form);
    const bytes = await readFile(path);
    const found = all(openErofs(readerOf(bytes)), bytes);
    for (const entry of ENTRIES) {
      const { path: name, type, data = "", target, mode, uid = 0, gid = 0, attributes = {} } = entry;
      if (type === "hard link") continue;
      const one = found.get(name.replace(/\/$/, ""));
      assert.ok(one, name);
      const isFile = one.kind === "file";
      assert.equal(one.mode, mode ?? (isFile ? 0o644 : 0o755), name);
      assert.deepEqual(one.ids, [uid, gid], name);
      assert.deepEqual(
        one.attributes,
        Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, Buffer.from(value).toString("latin1")])),
        name,
      );
      if (target !== undefined) assert.equal(one.target, target);
      const digest = createHash("sha256").update(data).digest("hex");
      if (isFile && !(compressed && one.digest === undefined)) assert.equal(one.digest, digest, name);
    }
    assert.equal(
      [...found.values()].some(({ kind, digest }) => kind === "file" && digest === undefined),
      compressed,
    );
    assert.deepEqual(found.get("etc/same"), found.get("etc/large"));
    assert.equal(found.get("etc/large")!.links, 2);
    assert.deepEqual([found.get("dev/null")!.kind, found.get("dev/null")!.device], ["character", 0x103]);
    assert.deepEqual([found.get("dev/vda")!.kind, found.get("dev/vda")!.device], ["block", 0xfe11]);
    assert.equal(found.get("run/fifo")!.kind, "fifo");
    assert.equal([...found.keys()].filter((name) => name.startsWith("many/")).length, 1200);
  });
}

test("names that are no UTF-8 stay apart", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-erofs-"));
  const path = join(dir.path, "root");
  await erofsOf(
    tools,
    [
      { path: "aa", data: "1" },
      { path: "ab", data: "2" },
    ],
    path,
  );
  const bytes = await readFile(path);
  for (const [name, byte] of [
    ["aa", 0xfe],
    ["ab", 0xff],
  ] as const)
    bytes[bytes.indexOf(`..${name}`) < 0 ? bytes.lastIndexOf(name) : bytes.indexOf(name)] = byte;
  const fs = openErofs(readerOf(bytes));
  const names = fs.list(fs.root).map(({ name }) => name);
  assert.equal(new Set(names).size, 2);
  assert.ok(
    names.every((name) => /^(?:\\xf[ef])?[ab]*$/.test(name)),
    JSON.stringify(names),
  );
});

test("whatever the bytes, reading ends, with what is there or with an error that says why", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-erofs-"));
  const path = join(dir.path, "root");
  await erofsOf(tools, ENTRIES.filter(({ path: name }) => !name.startsWith("many/")).slice(0, 30), path);
  const bytes = await readFile(path);
  const meta = [...bytes.keys()].filter((at) => bytes[at] !== 0 && (at < 4096 || at > bytes.length - 40_000));
  let whole = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(fc.constantFrom(...meta), fc.nat(bytes.length - 1)), fc.nat(255)), {
        minLength: 1,
        maxLength: 5,
      }),
      fc.option(fc.nat(bytes.length)),
      (changes, cut) => {
        const broken = Buffer.from(bytes);
        for (const [at, value] of changes) broken[at] = value;
        const read = readerOf(cut === null ? broken : broken.subarray(0, cut));
        let left = 10_000;
        const guarded: ReadAt = (at, length) => {
          if (left-- === 0) throw new AppError("EROFS_INVALID", "enough");
          return read(at, length);
        };
        try {
          const fs = openErofs(guarded);
          const visit = (nid: number, depth: number): void => {
            fs.attributes(nid);
            const { kind } = fs.inode(nid);
            if (kind === "file") fs.extents(nid);
            if (kind === "link") fs.target(nid);
            if (kind === "folder" && depth < 20) for (const { nid: child } of fs.list(nid)) visit(child, depth + 1);
          };
          visit(fs.root, 0);
          whole++;
        } catch (error) {
          if (!(error instanceof AppError) || !error.code.startsWith("EROFS_")) throw error;
          refused++;
        }
      },
    ),
    { numRuns: process.env["PETRIFY_TEST"] === "full" ? 50_000 : 2000 },
  );
  assert.ok(whole > 20 && refused > 20, `${whole} whole, ${refused} refused`);
});

test("what is no EROFS, and features that are not known, are refused", () => {
  assert.throws(() => openErofs(readerOf(new Uint8Array(4096))), { code: "EROFS_INVALID" });
  assert.throws(() => openErofs(readerOf(new Uint8Array(10))), { code: "EROFS_INVALID" });
  const later = Buffer.alloc(4096);
  later.writeUInt32LE(0xe0f5e1e2, 1024);
  later.writeUInt8(12, 1024 + 12);
  later.writeUInt32LE(0x80, 1024 + 80);
  assert.throws(() => openErofs(readerOf(later)), { code: "EROFS_UNSUPPORTED" });
});

describe("an EROFS that somebody has made to do harm", () => {
  let whole: Buffer;
  before(async () => {
    await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-erofs-"));
    const path = join(dir.path, "root");
    await erofsOf(
      tools,
      [
        { path: "top/one", data: "1" },
        { path: "top/two", data: "2" },
        { path: "link", target: "top" },
      ],
      path,
    );
    whole = await readFile(path);
  });
  const nidOf = (fs: Erofs, ...names: string[]): number =>
    names.reduce((nid, name) => fs.list(nid).find((one) => one.name === name)!.nid, fs.root);
  /** Where an inode lies. */
  const placeOf = (nid: number): number => whole.readUInt32LE(1024 + 40) * 4096 + nid * 32;
  const changed = (change: (bytes: Buffer, fs: Erofs) => void): Erofs => {
    const bytes = Buffer.from(whole);
    change(bytes, openErofs(readerOf(bytes)));
    return openErofs(readerOf(bytes));
  };

  for (const name of ["top", "link"]) {
    test(`is refused when a ${name} says that it is huge, before there is memory for it`, () => {
      const fs = changed((bytes, untouched) => void bytes.writeUInt32LE(0xfffffff0, placeOf(nidOf(untouched, name)) + 8));
      const nid = nidOf(fs, name);
      assert.throws(() => (name === "top" ? fs.list(nid) : fs.target(nid)), {
        code: "EROFS_INVALID",
        message: /which is too much/,
      });
    });
  }

  test("is refused when names of a folder overlap, or are names that none can have", () => {
    const at = whole.indexOf("onetwo");
    assert.ok(at > 0);
    for (const bad of ["a/b", "\0\0\0"]) {
      const fs = changed((bytes) => bytes.write(bad, at));
      assert.throws(() => fs.list(nidOf(fs, "top")), { code: "EROFS_INVALID" });
    }
    // The entries end where the first name, `.`, begins; the last one's place is put before the one of the name that it follows.
    const first = at - 3 - 4 * 12;
    const fs = changed((bytes) => bytes.writeUInt16LE(bytes.readUInt16LE(first + 8) - 1, first + 3 * 12 + 8));
    assert.throws(() => fs.list(nidOf(fs, "top")), { code: "EROFS_INVALID", message: /overlap/ });
  });

  test("is refused when a folder lies in itself", () => {
    const at = whole.indexOf("onetwo");
    const bytes = Buffer.from(whole);
    bytes.writeBigUInt64LE(BigInt(nidOf(openErofs(readerOf(whole)), "top")), at - 3 - 2 * 12);
    const source = { read: readerOf(bytes), compressed: () => assert.fail("nothing is compressed") };
    assert.throws(() => openImageTree(source), { code: "EROFS_INVALID", message: /is one that it lies in/ });
  });
});
