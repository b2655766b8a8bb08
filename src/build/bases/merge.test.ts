import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { AppError } from "../../core/error.ts";
import { tarReader } from "../../layout/tar-reader.ts";
import { fuzzArchives } from "../../../tests/support/archive-fuzz.ts";
import { layerStacks, tarsOf } from "../../../tests/support/layer-stacks.ts";
import { naiveTree } from "../../../tests/support/naive-layers.ts";
import { file, folder, hardLink, header, symlink, tar } from "../../../tests/support/tar.ts";
import type { Layer } from "./archive.ts";
import { LIMITS, type ArchiveLimits } from "../../layout/archive-limits.ts";
import { judgeLayers, type MergeOptions } from "./merge.ts";

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** @param step how many bytes come at once */
const layerOf = (bytes: Uint8Array, more: Partial<Layer> = {}, step = 1000): Layer => ({
  origin: "layer",
  size: bytes.length,
  read: async function* () {
    for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  },
  ...more,
});

async function merged(layers: readonly Layer[], options: Partial<MergeOptions> = {}): Promise<Uint8Array> {
  const judged = await judgeLayers(layers, { whiteouts: true, ...options });
  return Buffer.concat(await Array.fromAsync(judged.tar()));
}

/** Each entry of a tar as text. */
function entriesOf(bytes: Uint8Array): string[] {
  const found: string[] = [];
  const reader = tarReader(
    { origin: "merged" },
    {
      entry: ({ type, name, target, mode, uid, gid, attributes }) => {
        const named = attributes.map(([key, value]) => ` ${key}=${Buffer.from(value).toString("latin1")}`).join("");
        found.push(`${type} ${name}${target ? ` → ${target}` : ""} ${mode.toString(8)} ${uid}:${gid}${named}`);
      },
      data: (data) => void found.push(`${found.pop()!} ${Buffer.from(data).toString("latin1")}`),
    },
  );
  reader.push(bytes);
  reader.finish();
  return found;
}

const LOWER = tar(
  folder("usr", { mode: 0o750, uid: 5 }),
  file("usr/a", "aaa", { mode: 0o4755, uid: 70_000, gid: 8, pax: { "SCHILY.xattr.user.x": "1\n2" } }),
  hardLink("usr/b", "usr/a"),
  symlink("bin", "usr"),
  file("gone", "gone"),
);
const UPPER = tar(file("bin/c", "ccc"), { name: ".wh.gone" }, { name: "usr/.wh.a" }, folder("made/by/name"));

test("layers become one tar: no name twice, every folder told of, links after their file, metadata as it was", async () => {
  assert.deepEqual(entriesOf(await merged([layerOf(LOWER), layerOf(UPPER)])), [
    "folder . 755 0:0",
    "folder made 755 0:0",
    "folder made/by 755 0:0",
    "folder usr 750 5:0",
    "file usr/b 4755 70000:8 user.x=1\n2 aaa",
    "symlink bin → usr 777 0:0",
    "file usr/c 644 0:0 ccc",
    "folder made/by/name 755 0:0",
  ]);
});

for (const [what, pack] of [
  ["gzip", gzipSync],
  [
    "gzip in two members",
    (bytes: Uint8Array) => Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))]),
  ],
  ["zstd", zstdCompressSync],
  [
    "zstd in frames, one of them to be skipped",
    (bytes: Uint8Array) =>
      Buffer.concat([
        Buffer.from("502a4d180200000001ff", "hex"),
        zstdCompressSync(bytes.subarray(0, 700)),
        zstdCompressSync(bytes.subarray(700)),
      ]),
  ],
] as const) {
  for (const step of [1, 7, 100_000]) {
    test(`a layer compressed with ${what} is the same layer, with ${step} bytes at once`, async () => {
      const packed = pack(LOWER);
      assert.deepEqual(await merged([layerOf(packed, { diffId: sha256(LOWER) }, step)]), await merged([layerOf(LOWER)]));
    });
  }
}

const packed = gzipSync(LOWER);
for (const [what, layer, message] of [
  ["cut", layerOf(packed.subarray(0, packed.length - 20)), /^layer: ends before its compressed data does: it was cut$/],
  ["cut, of zstd", layerOf(zstdCompressSync(LOWER).subarray(0, 60)), /it was cut/],
  ["cut and not compressed", layerOf(LOWER.subarray(0, 2060)), /^layer: usr\/a: the archive ends in the middle/],
  ["damaged", layerOf(Buffer.from(packed).fill(0x55, 40, 50)), /^layer: is not gzip that can be read$/],
  ["compressed with xz", layerOf(Buffer.from("fd377a585a000004", "hex")), /is compressed with xz, which layers/],
  [
    "another than its digest says",
    layerOf(LOWER, { diffId: "0".repeat(64) }),
    /^layer: has the digest sha256:[0-9a-f]{64} and should have sha256:0{64}$/,
  ],
  ["no archive", layerOf(Buffer.from("hello")), /the archive ends in the middle|checksum/],
  ["empty", layerOf(new Uint8Array(0)), /ends without an end mark/],
] as const) {
  test(`a layer that is ${what} is refused`, async () => {
    await assert.rejects(merged([layer]), (error) => error instanceof AppError && message.test(error.message));
  });
}

test("a layer that becomes another one between the two readings is refused, and no tar is whole", async () => {
  let reads = 0;
  const swapped = tar(file("usr/a", "xxx"));
  const layer = layerOf(LOWER, { diffId: sha256(LOWER) });
  const read: Layer["read"] = () => (reads++ === 0 ? layer.read() : layerOf(swapped).read());
  const judged = await judgeLayers([{ ...layer, read }], { whiteouts: true });
  await assert.rejects(Array.fromAsync(judged.tar()), { code: "BASE_DAMAGED" });
});

const small: ArchiveLimits = { ...LIMITS, entries: 10, unpacked: 100_000, ratio: 10, ratioFrom: 20_000 };
const zeros = tar(file("zeros", new Uint8Array(60_000)));
for (const [what, layers, message] of [
  ["a bomb of gzip", [layerOf(gzipSync(zeros))], /becomes more than 19\.5 KiB when it is decompressed/],
  ["a bomb of zstd", [layerOf(zstdCompressSync(zeros))], /becomes more than 19\.5 KiB/],
  ["too much in all", [layerOf(zeros), layerOf(zeros)], /becomes more than 97\.7 KiB/],
  [
    "too many entries",
    [layerOf(tar(...Array.from({ length: 11 }, (_, i) => file(`f${i}`))))],
    /f10: is more than the 10 entries/,
  ],
] as const) {
  test(`${what} is refused before it is unpacked`, async () => {
    await assert.rejects(merged(layers, { limits: small }), (error) => error instanceof AppError && message.test(error.message));
  });
}

test("how much of a bomb is decompressed is bounded", async () => {
  let seen = 0;
  const zeroes = gzipSync(new Uint8Array(8 * 1024 ** 2));
  const bomb = Buffer.concat([
    gzipSync(tar(file("zeros", "", { size: 8 * 1024 ** 3 })).subarray(0, 512)),
    ...Array.from({ length: 100 }, () => zeroes),
  ]);
  const layer = layerOf(bomb, {}, 100);
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of layer.read()) {
      seen += chunk.length;
      yield chunk;
    }
  };
  await assert.rejects(merged([{ ...layer, read: counted }], { limits: { ...small, ratioFrom: 1024 ** 2 } }), {
    code: "ARCHIVE_REFUSED",
  });
  assert.ok(seen < bomb.length / 5, `${seen} of ${bomb.length} bytes were read`);
});

const endless = async function* (): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 1000; i++) yield header(file(`f${i}`));
  throw new Error("it was read on and on");
};
test("entries without end are not read without end", async () => {
  await assert.rejects(merged([layerOf(LOWER, { read: endless })], { limits: small }), {
    code: "ARCHIVE_REFUSED",
    message: /more than the 10 entries/,
  });
});

test("the newest time is known, and the largest ids, and how many files have attributes that only root can set", async () => {
  const { facts } = await judgeLayers(
    [
      layerOf(
        tar(
          file("a", "", { mtime: 1000, pax: { "SCHILY.xattr.security.selinux": "x" } }),
          file("b", "", { mtime: 2000, uid: 70_000, gid: 9 }),
        ),
      ),
      layerOf(
        tar(file("c", "", { mtime: 1500, pax: { "SCHILY.xattr.security.capability": "x" } }), file("dev/d", "", { mtime: 9000 })),
      ),
    ],
    { whiteouts: true },
  );
  assert.deepEqual(facts, { newest: 2000, guarded: 1, largestUid: 70_000, largestGid: 9 });
});

const contentOf = (source: string): string => `content of ${source} `.repeat(source.length * 20);

test("what a merged tar unpacks to is what the layers become one path after the other, contents too", async () => {
  await fc.assert(
    fc.asyncProperty(layerStacks, fc.integer({ min: 100, max: 5000 }), async (layers, step) => {
      const archives = tarsOf(layers, contentOf);
      const naive = naiveTree(layers);
      const outcome = await merged(archives.map((bytes) => layerOf(gzipSync(bytes), { diffId: sha256(bytes) }, step))).catch(
        (error: unknown) => {
          assert.ok(error instanceof AppError, String(error));
          return undefined;
        },
      );
      assert.equal(outcome === undefined, naive === undefined);
      if (!outcome || !naive) return;
      assert.deepEqual(
        unpacked(outcome),
        Object.fromEntries(
          [...naive].map(([at, { type, target, source }]) => [
            at,
            type === "symlink" ? `→ ${target}` : type === "file" ? contentOf(source) : "folder",
          ]),
        ),
      );
    }),
    { numRuns: 400 },
  );
});

test("whatever is done to layers and images, they are read or refused, and nothing of them is outside of the tree", async () => {
  const work = await mkdtemp(join(tmpdir(), "petrify-fuzz-"));
  try {
    const { read, refused } = await fuzzArchives(1, work, (tried) => tried === 1500);
    assert.ok(read > 100 && refused > 500, `${read} read, ${refused} refused`);
  } finally {
    await rm(work, { recursive: true });
  }
});

/** As tar does it, strictly: a folder before what is in it, or implied by nothing; a name once. */
function unpacked(bytes: Uint8Array): Record<string, string> {
  const found: Record<string, string> = {};
  let current = "";
  const reader = tarReader(
    { origin: "merged" },
    {
      entry: ({ type, name: at, target }) => {
        current = at === "." ? "" : at;
        assert.ok(!(current in found), `${current} is there twice`);
        if (type === "hardLink") assert.ok(target in found, `${target} comes after its link`);
        found[current] = type === "hardLink" ? found[target]! : type === "symlink" ? `→ ${target}` : type === "file" ? "" : type;
      },
      data: (data) => void (found[current]! += Buffer.from(data).toString("latin1")),
    },
  );
  reader.push(bytes);
  reader.finish();
  return found;
}
