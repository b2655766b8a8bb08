/** Archives that were right once, with random damage: each is read or refused, and what is read never leaves its tree. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { tarOfBlobs } from "../../src/build/bases/blobs.ts";
import { dockerImage } from "../../src/build/bases/docker-image.ts";
import { LIMITS } from "../../src/layout/archive-limits.ts";
import { judgeLayers } from "../../src/build/bases/merge.ts";
import { ociImage } from "../../src/build/bases/oci-image.ts";
import { AppError } from "../../src/core/error.ts";
import { MiB } from "../../src/core/units.ts";
import { tarReader } from "../../src/layout/tar-reader.ts";
import { image, layout, saved, tarOf } from "./oci.ts";
import { entry, file, folder, hardLink, symlink, tar, withChecksum } from "./tar.ts";

/** Numbers that are the same for the same seed: mulberry32. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const LOWER = tar(
  { name: "./", flag: "5" },
  folder("usr"),
  file("usr/a", "a".repeat(700), { pax: { "SCHILY.xattr.security.capability": "\x01\0\0\x02" } }),
  hardLink("usr/b", "usr/a"),
  symlink("bin", "usr"),
  symlink("up", "../../.."),
  entry({ name: "././@LongLink", flag: "L", data: `${"l/".repeat(150)}f\0`, magic: "ustar  \0" }),
  file("short", "x"),
  file("x", "y", { pax: { path: "p/".repeat(100), uid: "3000000", mtime: "1.5" } }),
);
const UPPER = tar(
  file("bin/c"),
  { name: "usr/.wh.a" },
  { name: "l/.wh..wh..opq" },
  folder("up/e"),
  file("dev/x"),
  file("new", "n"),
);
const LAYERS = [LOWER, UPPER];
/** Two whole images, and three layers. */
const CORPUS = [tarOf(layout(image(LAYERS, { tag: "v1" }))), tarOf(saved(LAYERS)), LOWER, UPPER, gzipSync(LOWER)];

const WORDS = [
  "../",
  "/",
  ".wh.",
  ".wh..wh..opq",
  "\0",
  "usr/a",
  "..",
  "bin",
  "up",
  "99999999999",
  "-1",
  "L",
  "x",
  "g",
  "S",
  "1",
  "2",
  "5",
  "path=",
  "\x80",
];

function damaged(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  const result = Buffer.from(bytes);
  const put = (text: string, at: number): void => void (at < result.length && result.write(text, at, "latin1"));
  for (let changes = 1 + random(2); changes > 0; changes--) {
    const at = random(result.length);
    const start = at - (at % 512);
    const kind = random(6);
    if (kind === 0) result[at] = random(256);
    else if (kind === 1) result[at]! ^= 1 << random(8);
    else if (kind === 2) put(WORDS[random(WORDS.length)]!, at);
    // In the fields of a header: name, numbers, type, target.
    else if (kind === 3) put(WORDS[random(WORDS.length)]!, start + [0, 100, 108, 124, 156, 157, 257, 345][random(8)]!);
    else if (kind === 4) result.copy(result, start, random(result.length / 512) * 512, random(result.length / 512) * 512);
    else result.fill(0, at, Math.min(result.length, at + random(600)));
    // With its checksum made right again, a header is looked into.
    if (random(4) > 0 && result.toString("latin1", start + 257, start + 262) === "ustar") {
      result.set(withChecksum(result.subarray(start, start + 512)), start);
    }
  }
  return random(8) === 0 ? result.subarray(0, random(result.length)) : result;
}

export interface FuzzFigures {
  readonly tried: number;
  readonly read: number;
  readonly refused: number;
}

/** @throws whatever is no refusal, with the seed and number of the case */
export async function fuzzArchives(seed: number, work: string, until: (tried: number) => boolean): Promise<FuzzFigures> {
  const random = randomOf(seed);
  const path = join(work, "damaged.tar");
  let read = 0;
  let tried = 0;
  for (; !until(tried); tried++) {
    // An image with damage is soon found out by its digests: most are bare layers.
    const which = random(8) === 0 ? random(2) : 2 + random(3);
    const packed = which === 4;
    const bytes = packed ? gzipSync(damaged(gunzipSync(CORPUS[4]!), random)) : damaged(CORPUS[which]!, random);
    const given = packed && random(3) === 0 ? damaged(bytes, random) : bytes;
    try {
      const layers =
        which > 1
          ? [given, ...(random(2) ? [UPPER] : [])].map((layer) => ({
              origin: "layer",
              size: layer.length,
              read: () => inPieces(layer, 1 + random(2000)),
            }))
          : await layersOf(path, given, which === 1);
      const limits = { ...LIMITS, unpacked: MiB, ratioFrom: MiB, entries: 1000 };
      const judged = await judgeLayers(layers, { whiteouts: random(4) > 0, limits });
      assertInside(Buffer.concat(await Array.fromAsync(judged.tar())));
      read++;
    } catch (error) {
      if (!(error instanceof AppError)) throw new Error(`seed ${seed}, case ${tried}`, { cause: error });
    }
  }
  return { tried, read, refused: tried - read };
}

async function layersOf(path: string, bytes: Uint8Array, docker: boolean) {
  await writeFile(path, bytes);
  const blobs = await tarOfBlobs("image.tar", path, undefined);
  const { layers } = docker ? await dockerImage(blobs, undefined) : await ociImage(blobs, undefined);
  return await layers(() => {});
}

async function* inPieces(bytes: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

/** Every name is plain and there once, lies in a folder that is one, and only what a root file system has is there. */
function assertInside(merged: Uint8Array): void {
  const types = new Map<string, string>();
  const names: string[] = [];
  const reader = tarReader(
    { origin: "merged" },
    {
      entry: ({ type, name, target }) => {
        assert.ok(["file", "folder", "symlink", "hardLink", "fifo"].includes(type), `${name} is a ${type}`);
        const parts = name === "." ? [] : name.split("/");
        assert.ok(!parts.some((part) => ["", ".", ".."].includes(part)), `${JSON.stringify(name)} is not plain`);
        const path = parts.join("/");
        assert.ok(!types.has(path), `${name} is there twice`);
        if (type === "hardLink") assert.ok(!["folder", undefined].includes(types.get(target)), `${name} is a link to ${target}`);
        types.set(path, type);
        names.push(path);
      },
    },
  );
  reader.push(merged);
  reader.finish();
  for (const name of names) {
    if (name === "") continue;
    const parent = name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
    assert.equal(types.get(parent), "folder", `${name} lies in ${parent}`);
  }
}
