import assert from "node:assert/strict";
import { lstat, mkdir, mkdtempDisposable, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { tar, type Written } from "../../tests/support/tar.ts";
import { LIMITS } from "../layout/archive-limits.ts";
import { unpackLayers, type PackedLayer } from "./unpack-layers.ts";

const never = new AbortController().signal;
const layer = (...entries: readonly Written[]): PackedLayer => {
  const bytes = gzipSync(tar(...entries));
  return {
    ...{ origin: "a layer", size: bytes.length },
    read: async function* () {
      yield await Promise.resolve(bytes);
    },
  };
};
async function unpacked(...layers: readonly PackedLayer[]) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-unpack-"));
  const root = join(folder.path, "root");
  await mkdir(join(folder.path, "beside"));
  await writeFile(join(folder.path, "beside/file"), "mine");
  const at = (path: string): string => join(root, path);
  return {
    ...{ root, at, folder: folder.path },
    run: async (limits = LIMITS, signal = never) => await unpackLayers(layers, root, limits, signal),
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}

suite("layers of an image in a folder", { skip: process.getuid!() === 0 ? false : "owners are set by root alone" }, () => {
  test("have files, folders and links with their owners and permissions; upper ones take away and replace", async () => {
    const lower = layer(
      { name: "etc/", flag: "5", mode: 0o700 },
      { name: "etc/a", data: "old", mode: 0o4755, uid: 5, gid: 6 },
      { name: "etc/b", data: "b" },
      { name: "opt/x/y", data: "y" },
      { name: "link", flag: "2", target: "etc/a", uid: 7 },
      { name: "same", flag: "1", target: "etc/b" },
      { name: "pipe", flag: "6" },
      { name: "dev/sda", flag: "4", device: [8, 0] },
    );
    const upper = layer(
      { name: "etc/", flag: "5", mode: 0o750 },
      { name: "etc/.wh.a", data: "" },
      { name: "opt/x/.wh..wh..opq", data: "" },
      { name: "opt/x/z", data: "z" },
    );
    await using it = await unpacked(lower, upper);
    await it.run();
    assert.deepEqual((await readdir(it.root)).toSorted(), ["etc", "link", "opt", "same"]);
    assert.deepEqual(await readdir(it.at("etc")), ["b"]);
    assert.deepEqual(await readdir(it.at("opt/x")), ["z"]);
    assert.equal((await stat(it.at("etc"))).mode & 0o7777, 0o750);
    assert.equal((await stat(it.at("etc/b"))).ino, (await stat(it.at("same"))).ino);
    assert.deepEqual([await readlink(it.at("link")), (await lstat(it.at("link"))).uid], ["etc/a", 7]);
    await using alone = await unpacked(lower);
    await alone.run();
    const { uid, gid, mode } = await stat(alone.at("etc/a"));
    assert.deepEqual([uid, gid, mode & 0o7777, await readFile(alone.at("etc/a"), "utf8")], [5, 6, 0o755, "old"]);
  });

  for (const [what, target] of [
    ["upwards", "../../beside"],
    ["to the machine's root", "/etc"],
  ] as const)
    test(`are never written through a link that leads ${what}`, async () => {
      const first = layer({ name: "way", flag: "2", target });
      await using it = await unpacked(
        first,
        layer({ name: "way/file", data: "theirs" }),
        layer({ name: "way/new", data: "theirs" }),
      );
      await it.run();
      assert.equal(await readFile(join(it.folder, "beside/file"), "utf8"), "mine");
      assert.deepEqual(await readdir(join(it.folder, "beside")), ["file"]);
      await assert.rejects(stat("/etc/new"), { code: "ENOENT" });
    });

  for (const [what, entries] of [
    ["a name that leads upwards", [{ name: "../x", data: "x" }]],
    ["a hard link to what is elsewhere", [{ name: "x", flag: "1", target: "../beside/file" }]],
    ["a device", [{ name: "sda", flag: "4", device: [8, 0] }]],
  ] as const)
    test(`are refused with ${what}`, async () => {
      await using it = await unpacked(layer(...entries));
      await assert.rejects(it.run(), { code: "ARCHIVE_REFUSED" });
    });

  test("are refused when they become too much, and left where nobody wants them any more", async () => {
    const large = layer({ name: "x", data: new Uint8Array(100_000) });
    await using it = await unpacked(large, large);
    await assert.rejects(it.run({ ...LIMITS, unpacked: 150_000 }), { code: "ARCHIVE_REFUSED" });
    await assert.rejects(it.run({ ...LIMITS, entries: 1 }), { code: "ARCHIVE_REFUSED" });
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    await assert.rejects(it.run(LIMITS, stop.signal), /enough/);
  });
});
