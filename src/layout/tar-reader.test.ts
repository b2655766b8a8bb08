import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { encodeTarHeader, TAR_END, tarPadding, type TarEntry, type TarType } from "./tar-entry.ts";
import { tarReader, type TarReaderOptions } from "./tar-reader.ts";
import {
  END,
  entry,
  file,
  folder,
  hardLink,
  header,
  padded,
  records,
  symlink,
  tar,
  type Written,
} from "../../tests/support/tar.ts";

interface Read extends TarEntry {
  readonly offset: number;
  readonly content: string;
}

/** @param step how many bytes come at once */
function read(archive: Uint8Array, step = archive.length, options: Partial<TarReaderOptions> = {}): Read[] {
  const found: (Omit<Read, "content"> & { content: string })[] = [];
  const reader = tarReader(
    { origin: "a.tar", ...options },
    {
      entry: (value, offset) => void found.push({ ...value, offset, content: "" }),
      data: (bytes) => void (found.at(-1)!.content += Buffer.from(bytes).toString("latin1")),
    },
  );
  for (let at = 0; at < archive.length; at += step) reader.push(archive.subarray(at, at + step));
  reader.finish();
  return found;
}
const refusal = (archive: Uint8Array, options?: Partial<TarReaderOptions>): string => {
  try {
    read(archive, undefined, options);
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    assert.equal(error.code, "ARCHIVE_REFUSED");
    return error.message;
  }
  return "nothing";
};
const text = (entries: readonly Read[]): unknown =>
  entries.map(({ type, name, target, content }) => [type, name, ...(target ? [target] : []), ...(content ? [content] : [])]);

const MANY = tar(
  { name: "./", flag: "5" },
  folder("etc"),
  file("etc/passwd", "root\n", { mode: 0o100644, uid: 1, gid: 2 }),
  file("big", "x".repeat(1500)),
  symlink("bin", "usr/bin"),
  hardLink("etc/again", "etc/passwd"),
  { name: "pipe", flag: "6" },
  { name: "null", flag: "3", device: [1, 3] },
  { name: "old", flag: "\0", data: "v7", magic: "\0\0\0\0\0\0\0\0" },
  { name: "contiguous", flag: "7", data: "c" },
);

for (const step of [MANY.length, 1, 7, 511, 512, 513, 1000]) {
  test(`an archive reads the same when ${step} bytes come at once`, () => {
    assert.deepEqual(text(read(MANY, step)), [
      ["folder", "."],
      ["folder", "etc"],
      ["file", "etc/passwd", "root\n"],
      ["file", "big", "x".repeat(1500)],
      ["symlink", "bin", "usr/bin"],
      ["hardLink", "etc/again", "etc/passwd"],
      ["fifo", "pipe"],
      ["character", "null"],
      ["file", "old", "v7"],
      ["file", "contiguous", "c"],
    ]);
    for (const { offset, content } of read(MANY, step)) {
      assert.equal(Buffer.from(MANY.subarray(offset, offset + content.length)).toString("latin1"), content);
    }
  });
}

const long = (length: number): string =>
  `${"d".repeat(99)}/`
    .repeat(Math.ceil(length / 100))
    .slice(0, length - 1)
    .concat("f");
const gnu = (flag: string, value: string): Uint8Array =>
  entry({ name: "././@LongLink", flag, data: `${value}\0`, magic: "ustar  \0" });
/** GNU's base 256. */
const base256 = (value: bigint, length: number): string => {
  const bytes = Buffer.alloc(length);
  for (let i = length - 1, rest = BigInt.asUintN(8 * length, value); i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  bytes[0]! |= 0x80;
  return bytes.toString("latin1");
};

for (const [what, parts, expected] of [
  ["a name of GNU tar", [gnu("L", long(3000)), file("short")], { name: long(3000) }],
  [
    "a target of GNU tar",
    [gnu("K", long(3000)), gnu("L", long(200)), symlink("short", "x")],
    { name: long(200), target: long(3000) },
  ],
  ["a name of pax", [file("short", "", { pax: { path: long(3000) } })], { name: long(3000) }],
  ["a target of pax", [symlink("short", "x", { pax: { linkpath: long(200) } })], { target: long(200) }],
  ["a prefix of ustar", [file("name", "", { prefix: "a/b" })], { name: "a/b/name" }],
  ["what GNU has in the place of a prefix", [file("name", "", { prefix: "14573", magic: "ustar  \0" })], { name: "name" }],
  ["a name that is no UTF-8", [file("\xff\xfe")], { name: "\xff\xfe" }],
  ["ids of pax", [file("f", "", { pax: { uid: "70000", gid: "4294967294" } })], { uid: 70_000, gid: 4_294_967_294 }],
  ["ids in base 256", [file("f", "", { over: { 108: base256(3_000_000n, 8) } })], { uid: 3_000_000 }],
  ["a time before 1970", [file("f", "", { over: { 136: base256(-5n, 12) } })], { mtime: -5 }],
  ["a time with a fraction", [file("f", "", { pax: { mtime: "1700000000.987654321" } })], { mtime: 1_700_000_000 }],
  ["numbers with spaces", [file("f", "", { over: { 100: " 644  \0\0" } })], { mode: 0o644 }],
  ["set-uid bits", [file("f", "", { mode: 0o104755 })], { mode: 0o4755 }],
  ["a hard link that repeats its size", [hardLink("f", "g", { size: 5 })], { size: 0, target: "g" }],
  ["a global header", [entry({ name: "g", flag: "g", data: records({ uid: "7", comment: "x" }) }), file("f")], { uid: 7 }],
  [
    "a global header that is taken back",
    [entry({ name: "g", flag: "g", data: records({ uid: "7" }) }), file("f", "", { uid: 3, pax: { uid: "" } })],
    { uid: 3 },
  ],
  ["a name given twice, the same", [gnu("L", "same"), file("short", "", { pax: { path: "same" } })], { name: "same" }],
  ["a folder of old archives", [{ name: "old/", flag: "\0" }], { type: "folder", name: "old" }],
] as const satisfies readonly (readonly [string, readonly (Written | Uint8Array)[], Partial<TarEntry>])[]) {
  test(`${what} is read`, () => {
    const [found, ...rest] = read(tar(...parts));
    assert.deepEqual(rest, []);
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(found![key as keyof Read], value, key);
  });
}

const attributes = (pax: Record<string, string | Uint8Array>): unknown =>
  read(tar(file("f", "", { pax })))[0]!.attributes.map(([name, value]) => [name, Buffer.from(value).toString("hex")]);
const CAPABILITY = Buffer.from("0100000200040000000000000000000000000000", "hex");
const ACL = "0200000001000600ffffffff02000500e803000004000400ffffffff10000500ffffffff20000400ffffffff";

for (const [what, pax, expected] of [
  [
    "binary attributes",
    { "SCHILY.xattr.security.capability": CAPABILITY },
    [["security.capability", CAPABILITY.toString("hex")]],
  ],
  ["attributes with a line feed", { "SCHILY.xattr.user.a": "1\n2=3\n" }, [["user.a", "310a323d330a"]]],
  ["attributes with = in their names", { "SCHILY.xattr.user.a%3Db%25": "1" }, [["user.a=b%", "31"]]],
  ["attributes of libarchive", { "LIBARCHIVE.xattr.user.x%20y": "AQI" }, [["user.x y", "0102"]]],
  ["both spellings, as one", { "SCHILY.xattr.user.a": "1", "LIBARCHIVE.xattr.user.a": "Mg" }, [["user.a", "31"]]],
  ["SELinux labels of GNU tar", { "RHT.security.selinux": "a:b:c" }, [["security.selinux", "613a623a6300"]]],
  [
    "ACLs",
    { "SCHILY.acl.access": "user::rw-\nuser:1000:r-x\ngroup::r--\nmask::r-x\nother::r--\n" },
    [["system.posix_acl_access", ACL]],
  ],
  [
    "ACLs of star",
    { "SCHILY.acl.access": "user::rw-,user:joe:r-x:1000,group::r--,mask::r-x,other::r--" },
    [["system.posix_acl_access", ACL]],
  ],
  ["no ACL", { "SCHILY.acl.default": "" }, []],
  ["what other systems have", { "SCHILY.xattr.com.apple.provenance": "x", "LIBARCHIVE.creationtime": "1" }, []],
  ["what overlayfs keeps", { "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.overlay.opaque": "y" }, []],
] as const) {
  test(`of extended headers, ${what} become extended attributes`, () => {
    assert.deepEqual(attributes(pax), expected);
  });
}

for (const [what, archive, message] of [
  [
    "a wrong checksum",
    Buffer.concat([file("good"), file("bad")].map(entry)).fill("7", 512 + 148, 512 + 150),
    /after good: the checksum/,
  ],
  ["no tar at all", Buffer.alloc(2048, "text "), /a\.tar: the first entry: the checksum of its header is wrong/],
  [
    "an archive that ends in a content",
    entry(file("f", "x".repeat(2000))).subarray(0, 1500),
    /f: the archive ends in the middle/,
  ],
  [
    "an archive that ends in a header",
    Buffer.concat([entry(file("f")), header(file("g")).subarray(0, 100)]),
    /ends in the middle/,
  ],
  [
    "an archive that ends after an extended header",
    entry({ name: "x", flag: "x", data: records({ path: "a" }) }),
    /ends in the middle/,
  ],
  [
    "an extended header without an entry",
    tar({ name: "x", flag: "x", data: records({ path: "a" }) }),
    /ends after an extended header/,
  ],
  ["an archive without an end mark", entry(file("f")), /ends without an end mark after f: it was cut/],
  ["an empty file", new Uint8Array(0), /ends without an end mark/],
  ["a second archive behind the first", Buffer.concat([tar(file("a")), tar(file("b"))]), /has data after its end mark/],
  [
    "an entry after one block of zeros",
    Buffer.concat([entry(file("a")), new Uint8Array(512), tar(file("b"))]),
    /data after its end mark/,
  ],
  ["a sparse file of GNU tar", tar({ name: "s", flag: "S" }), /s: is packed as a sparse file/],
  [
    "a sparse file of pax",
    tar(file("s", "1\n0\n1\n", { pax: { "GNU.sparse.major": "1", "GNU.sparse.name": "real" } })),
    /s: is packed as a sparse/,
  ],
  ["a sparse file of star", tar(file("s", "", { pax: { "SCHILY.realsize": "5" } })), /is packed as a sparse file/],
  ["a volume label", tar({ name: "v", flag: "V" }), /v: is the label of a volume, which is no part/],
  ["a type that nobody knows", tar({ name: "z", flag: "Z" }), /z: has the unknown type "Z"/],
  ["a folder with content", tar(folder("d", { data: "x" })), /d\/: is a folder with content/],
  ["a symbolic link with content", tar(symlink("l", "t", { data: "x" })), /l: is a symlink with content/],
  ["a link to nothing", tar(symlink("l", "")), /l: is a link to nothing/],
  ["a negative size", tar(file("f", "", { over: { 124: base256(-1n, 12) } })), /its size is negative/],
  ["a negative owner", tar(file("f", "", { over: { 108: base256(-1n, 8) } })), /its uid is negative/],
  ["a size beyond all numbers", tar(file("f", "", { over: { 124: base256(2n ** 70n, 12) } })), /its size is not a number/],
  ["a size that is no number", tar(file("f", "", { over: { 124: "00000000009\0" } })), /its size is not a number/],
  ["an owner that means nobody", tar(file("f", "", { pax: { uid: "4294967295" } })), /f: its owner 4294967295 is no id/],
  ["an owner that is a word", tar(file("f", "", { pax: { uid: "0x10" } })), /f: its uid is not a number/],
  ["a size of pax with a sign", tar(file("f", "", { pax: { size: "-1" } })), /f: its size is not a number/],
  ["a zero byte in a name", tar(file("f", "", { pax: { path: "etc/pass\0wd" } })), /etc\/pass\\x00wd: its name has a zero byte/],
  ["a zero byte in a long name", tar(entry({ name: "L", flag: "L", data: "a\0b" }), file("f")), /its long name has a zero byte/],
  ["a name of 4097 bytes", tar(file("f", "", { pax: { path: "a/".repeat(2048) + "b" } })), /its name is longer than 4096 bytes/],
  ["two names", tar(gnu("L", "one"), file("f", "", { pax: { path: "two" } })), /two: is also called one/],
  [
    "two extended headers",
    tar(...[1, 2].map((uid) => entry({ name: "x", flag: "x", data: records({ uid: `${uid}` }) })), file("f")),
    /two extended headers/,
  ],
  ["two long names", tar(gnu("L", "one"), gnu("L", "two"), file("f")), /two extended headers of one kind/],
  [
    "an extended header of 2 MiB",
    tar({ name: "x", flag: "x", data: records({ a: "x".repeat(2 * 1024 ** 2) }) }, file("f")),
    /larger than 1 MiB/,
  ],
  ["a long name of 2 MiB", tar({ name: "x", flag: "L", data: "x".repeat(2 * 1024 ** 2) }, file("f")), /larger than 1 MiB/],
  [
    "more records for all entries than anybody writes",
    tar(
      ...[0, 1, 2].map((n) =>
        entry({
          name: "g",
          flag: "g",
          data: records(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${n}-${i}`, "x"]))),
        }),
      ),
      file("f"),
    ),
    /more than 100 records are for all entries/,
  ],
  [
    "an attribute of 65 KiB",
    tar(file("f", "", { pax: { "SCHILY.xattr.user.a": "x".repeat(65 * 1024) } })),
    /f: its attribute user.a is larger/,
  ],
  [
    "an attribute with a long name",
    tar(file("f", "", { pax: { [`SCHILY.xattr.user.${"a".repeat(255)}`]: "x" } })),
    /longer than 255/,
  ],
  [
    "an ACL with names",
    tar(file("f", "", { pax: { "SCHILY.acl.access": "user:joe:rwx" } })),
    /f: its ACL names "joe" and not a number/,
  ],
  [
    "an ACL that is none",
    tar(file("f", "", { pax: { "SCHILY.acl.default": "u:1" } })),
    /f: its default ACL has an entry that cannot be read/,
  ],
  ["an ACL of NFS", tar(file("f", "", { pax: { "SCHILY.acl.ace": "owner@:r::allow" } })), /NFSv4 ACL/],
  ["base64 that is none", tar(file("f", "", { pax: { "LIBARCHIVE.xattr.user.a": "!" } })), /is not base64/],
  ...(
    [
      ["no length", "path=a\n", /a record without a length/],
      ["a length with a sign", "+9 path=a\n", /a record without a length/],
      ["a length of 0", "0 path=a\n", /a record without a length/],
      ["a length beyond the header", "99 path=a\n", /longer than the header, or too short/],
      ["a length of its own digits", "2 path=a\n", /longer than the header, or too short/],
      ["a length that cuts it", "9 path=ab\n", /does not end where it says/],
      ["no key", "5 =a\n", /has no key/],
      ["no value", "7 path\n", /has no key/],
      ["a key with a zero byte", "9 pa\0h=a\n", /has a zero byte/],
    ] as const
  ).map(([record, data, said]) => [`a record with ${record}`, tar({ name: "x", flag: "x", data }, file("f")), said] as const),
] as const satisfies readonly (readonly [string, Uint8Array, RegExp])[]) {
  test(`${what} is refused, and named`, () => {
    assert.match(refusal(archive), message);
  });
}

test("an archive that is known to be whole may end without an end mark", () => {
  assert.equal(refusal(entry(file("f")), { endMark: "optional" }), "nothing");
  assert.match(refusal(entry(file("f", "x".repeat(600))).subarray(0, 1100), { endMark: "optional" }), /f: the archive ends/);
});

test("a message has no control characters of a name, and not all of a long one", () => {
  assert.match(refusal(tar({ name: "\x1b[2Ja\x07", flag: "Z" })), /^a\.tar: \\x1b\[2Ja\\x07: has/);
  const message = refusal(tar({ name: "f", flag: "S", pax: { path: "x".repeat(4000) } }));
  assert.ok(message.length < 300 && message.includes("…"), message);
});

const bytes = (max: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: 1, maxLength: max }).map((value) => Buffer.from(value).toString("latin1").replaceAll("\0", "x"));
const entries: fc.Arbitrary<TarEntry> = fc
  .record({
    type: fc.constantFrom<TarType>("file", "hardLink", "symlink", "character", "block", "folder", "fifo"),
    name: fc.oneof(bytes(90), bytes(300), bytes(4000)).map((name) => name.replace(/\/+$/, "") || "x"),
    target: fc.oneof(bytes(90), bytes(300)),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    gid: fc.oneof(fc.constantFrom(0o7777777, 0o10000000), fc.integer({ min: 0, max: 2 ** 32 - 2 })),
    size: fc.oneof(fc.nat(2000), fc.constant(0)),
    mtime: fc.integer({ min: 0, max: 2 ** 33 - 1 }),
    device: fc.tuple(fc.nat(4095), fc.nat(100_000)),
    attributes: fc
      .uniqueArray(
        fc.tuple(
          bytes(60).map((name) => `user.${name.replace(/^overlay\./, "")}`),
          fc.uint8Array({ maxLength: 300 }),
        ),
        {
          selector: ([name]) => name,
        },
      )
      .map((list) => list.toSorted(([a], [b]) => (a < b ? -1 : 1))),
  })
  .map((value) => {
    const isLink = value.type === "symlink" || value.type === "hardLink";
    const isDevice = value.type === "character" || value.type === "block";
    return {
      ...value,
      ...(isLink ? {} : { target: "" }),
      ...(isDevice ? {} : { device: [0, 0] as const }),
      ...(value.type === "file" ? {} : { size: 0 }),
    };
  });

test("what is written is read again", () => {
  fc.assert(
    fc.property(fc.array(entries, { maxLength: 5 }), fc.integer({ min: 1, max: 5000 }), (list, step) => {
      const archive = Buffer.concat([
        ...list.flatMap((e) => [encodeTarHeader(e), Buffer.alloc(e.size), tarPadding(e.size)]),
        TAR_END,
      ]);
      const found = read(archive, step).map(({ offset, content, ...rest }) => {
        assert.ok(content.length === rest.size && offset % 512 === 0);
        return { ...rest, attributes: rest.attributes.map(([name, value]) => [name, Uint8Array.from(value)]) };
      });
      assert.deepEqual(
        found,
        list.map((e) => ({ ...e, attributes: e.attributes.map(([name, value]) => [name, Uint8Array.from(value)]) })),
      );
    }),
    { numRuns: 300 },
  );
});

test("whatever is done to an archive, it is read or refused, and in the same way however its bytes come", () => {
  const outcome = (archive: Uint8Array, step: number): string => {
    try {
      return JSON.stringify(text(read(archive, step)));
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return error.message;
    }
  };
  const change = fc.tuple(fc.nat(MANY.length - 1), fc.oneof(fc.nat(255), fc.constantFrom(0, 0x20, 0x2f, 0x30, 0x37, 0x80, 0xff)));
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 6 }),
      fc.nat(MANY.length),
      fc.integer({ min: 1, max: 1500 }),
      (changes, cut, step) => {
        const archive = Buffer.from(MANY);
        for (const [at, value] of changes) {
          archive[at] = value;
          // With the checksum made right again, so that the other fields are looked at.
          const start = at - (at % 512);
          if (archive.toString("latin1", start + 257, start + 262) === "ustar") {
            archive.fill(" ", start + 148, start + 156);
            const sum = archive.subarray(start, start + 512).reduce((total, byte) => total + byte, 0);
            archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, start + 148, "latin1");
          }
        }
        const given = archive.subarray(0, archive.length - (cut % 3 === 0 ? cut : 0));
        assert.equal(outcome(given, step), outcome(given, Math.max(1, given.length)));
      },
    ),
    { numRuns: 500 },
  );
});

test("the end of an archive may have any number of zeros", () => {
  for (const zeros of [512, 1024, 10_240]) {
    assert.equal(read(Buffer.concat([entry(file("f")), new Uint8Array(zeros)])).length, 1);
  }
  assert.deepEqual(read(END), []);
  assert.equal(padded(new Uint8Array(3)).length, 512);
});
