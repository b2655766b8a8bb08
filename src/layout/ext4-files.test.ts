import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import fc from "fast-check";
import { testTools } from "../../tests/support/tools.ts";
import { AppError } from "../core/error.ts";
import { KiB } from "../core/units.ts";
import { ext4Label, findInExt4 } from "./ext4-files.ts";
import type { ReadAt } from "./gpt.ts";

const LONG = Uint8Array.from({ length: 300 * KiB + 7 }, (_, at) => (at * 31) % 251);

/** Made by mke2fs of a folder with a file in it, one below, many beside, and a link. */
async function volume(...options: readonly string[]): Promise<Uint8Array> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-ext4-"));
  const files = join(folder.path, "files");
  await mkdir(join(files, "openstack/latest"), { recursive: true });
  await writeFile(join(files, "user-data"), "#cloud-config\n");
  await writeFile(join(files, "empty"), "");
  await writeFile(join(files, "long"), LONG);
  await writeFile(join(files, "openstack/latest/user_data"), "below");
  await symlink("user-data", join(files, "link"));
  for (let at = 0; at < 400; at++) await writeFile(join(files, `a-file-with-a-longer-name-${at}`), `${at}`);
  const tools = await testTools();
  const argv = ["mke2fs", "-q", "-t", "ext4", "-L", "cidata", ...options, "-d", "/tmp/d/files", "/tmp/d/volume", "8M"] as const;
  await tools.run([...argv] as [string, ...string[]], { binds: [{ source: folder.path, target: "/tmp/d", writable: true }] });
  return await readFile(join(folder.path, "volume"));
}
const readerOf =
  (bytes: Uint8Array): ReadAt =>
  (offset, length) =>
    bytes.subarray(offset, offset + length);
function contents(bytes: Uint8Array, path: string): Uint8Array {
  const { size, extents } = findInExt4(readerOf(bytes), path);
  const found = Buffer.concat(extents.map((extent) => bytes.subarray(extent.start, extent.start + extent.size)));
  assert.equal(found.length, size);
  return Uint8Array.from(found);
}

for (const options of [[], ["-b", "1024"], ["-b", "4096", "-I", "128", "-O", "^64bit"], ["-O", "^metadata_csum,^has_journal"]]) {
  test(`label and files of a volume are read: mke2fs ${options.join(" ")}`, async () => {
    const bytes = await volume(...options);
    assert.equal(ext4Label(readerOf(bytes)), "cidata");
    assert.equal(Buffer.from(contents(bytes, "user-data")).toString(), "#cloud-config\n");
    assert.equal(Buffer.from(contents(bytes, "openstack/latest/user_data")).toString(), "below");
    assert.equal(contents(bytes, "empty").length, 0);
    assert.deepEqual(contents(bytes, "long"), LONG);
    for (const at of [0, 250, 399])
      assert.equal(Buffer.from(contents(bytes, `a-file-with-a-longer-name-${at}`)).toString(), `${at}`);
    for (const none of ["", "user-dat", "openstack", "openstack/latest/none", "user-data/x", "link", "lost+found"])
      assert.throws(() => findInExt4(readerOf(bytes), none), { code: "EXT4_FILE_MISSING" }, none);
  });
}

test("what is read otherwise by a mount is refused, not misread", async () => {
  for (const [options, why] of [
    [["-O", "inline_data"], /keeps data in its inodes/],
    [["-O", "^extents,^64bit"], /no extents/],
    [["-O", "meta_bg,^resize_inode"], /features that are not read \(0x10\)/],
  ] as const) {
    const bytes = await volume(...options);
    assert.throws(
      () => findInExt4(readerOf(bytes), "user-data"),
      (error: AppError) => error.code === "EXT4_INVALID" && why.test(error.message),
    );
  }
});

let whole: Uint8Array;
before(async () => void (whole = await volume("-b", "1024")));
test("a volume with any bytes changed, or cut short, is read or refused", () => {
  const places = fc.oneof(fc.integer({ min: 1024, max: 200 * KiB }), fc.nat(whole.length - 1));
  fc.assert(
    fc.property(fc.array(fc.tuple(places, fc.nat(255)), { maxLength: 20 }), fc.nat(whole.length), (changes, end) => {
      const bytes = Uint8Array.from(whole);
      for (const [at, value] of changes) bytes[at] = value;
      for (const part of [bytes, bytes.subarray(0, end)]) {
        try {
          ext4Label(readerOf(part));
          findInExt4(readerOf(part), "openstack/latest/user_data");
        } catch (error) {
          assert.ok(error instanceof AppError && error.code.startsWith("EXT4_"), String((error as Error).stack));
        }
      }
    }),
    { numRuns: 500 },
  );
});
