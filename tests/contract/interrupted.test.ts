/** Commands that are interrupted (Ctrl-C): nothing half made is left where anybody would find it, and the same command again does the rest. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { sha256 } from "../../src/host/sha256.ts";
import { findManifest } from "../../src/release/verify-image.ts";
import { Interrupted } from "../../src/cli/output.ts";
import { runForTest, type Ran } from "../../src/cli/testing.ts";
import { petrify, workspace, type CliEvent, type Workspace } from "../support/cli.ts";
import { faultyRegistry, push } from "../support/pushed-release.ts";
import type { Asked } from "../support/registry.ts";
import type { ReleaseImage } from "../support/release-images.ts";
import { noise } from "../support/small-image.ts";
import { testTools } from "../support/tools.ts";
import { treeImage } from "../support/tree-image.ts";

let at: Workspace;
/** Of nine segments: when one of the last is asked for, the first are done, however many are under way at once. */
let image: ReleaseImage;
/** Of the blobs, which the segments are the most of. */
const LATE = 9;
/** What a release is is read before its segments, of which six are under way at once. */
const LAST = 11;
before(async () => {
  at = await workspace();
  const path = join(at.folder, "image.img");
  await treeImage(await testTools(), [{ path: "noise", data: noise(34_000_000, "any") }], path);
  const bytes = await readFile(path);
  const read = (offset: number, length: number): Uint8Array => bytes.subarray(offset, offset + length);
  const found = await findManifest(
    { size: bytes.length, read: async (from, length) => await Promise.resolve(read(from, length)) },
    sha256,
  );
  image = { bytes, found, read };
});
after(async () => await at[Symbol.asyncDispose]());

type Registry = Awaited<ReturnType<typeof faultyRegistry>>;
const BARE = ["--no-container", "--no-sbom"] as const;
const cli = async (args: readonly string[], signal = new AbortController().signal): Promise<Ran> =>
  await runForTest(args, { cwd: at.folder, signal, env: { SOURCE_DATE_EPOCH: "1900000000" } });
/** Interrupted by the nth request that is such a one. */
async function interrupted(
  registry: Registry,
  args: readonly string[],
  nth: number,
  is: (asked: Asked) => boolean,
): Promise<Ran> {
  const stop = new AbortController();
  let count = 0;
  registry.fail((asked) => {
    if (is(asked) && ++count === nth) stop.abort(new Interrupted(2));
    return undefined;
  });
  const ran = await cli(args, stop.signal);
  registry.fail(undefined);
  assert.deepEqual([ran.exitCode, ran.out], [130, ""], ran.err);
  assert.match(ran.err, /error: interrupted\n$/);
  return ran;
}
const isBlob =
  (wanted: string) =>
  ({ method, url }: Asked) =>
    method === wanted && url.includes("/blobs/");
const filesOf = async (folder: string): Promise<readonly string[]> =>
  existsSync(folder) ? (await readdir(folder, { recursive: true })).toSorted() : [];

test("push: no tag leads to half a release, and the same command sends the rest", async () => {
  await using registry = await faultyRegistry();
  const name = `http://${registry.registry.host}/team/os:v1`;
  const args = ["push", "image.img", name, ...BARE];
  const { tags, blobs } = registry.registry.repository("team/os");
  await interrupted(registry, args, LATE, isBlob("PUT"));
  assert.equal(tags.size, 0);
  assert.ok(blobs.size > 0);
  await interrupted(registry, args, 1, ({ method, url }) => method === "PUT" && url.endsWith("/manifests/v1"));
  const there = blobs.size;
  const done = await cli(args);
  assert.equal(done.exitCode, 0, done.err);
  assert.match(done.out, /^test \S+ (is|was already) at http:.*:v1\n[^]*sent 0 B/);
  assert.equal(blobs.size, there);
});

test("pull: no image appears, and the same command fetches the rest", async () => {
  await using registry = await faultyRegistry();
  const name = `http://${registry.registry.host}/team/os:v1`;
  await push(registry.store, image);
  const args = ["pull", name, "-o", "pulled.img"];
  await interrupted(registry, args, LAST, isBlob("GET"));
  assert.deepEqual(
    (await readdir(at.folder)).filter((file) => file.startsWith("pulled.img")).map((file) => file.replace(/[0-9a-f]{12}/, "…")),
    ["pulled.img.….partial"],
  );
  const done = await cli([...args, "--json"]);
  assert.equal(done.exitCode, 0, done.out);
  assert.ok((await readFile(join(at.folder, "pulled.img"))).equals(image.bytes));
  const { value } = JSON.parse(done.out.trim().split("\n").at(-1)!) as { value: { bytes: { kept: number } } };
  assert.ok(value.bytes.kept > 0);
  assert.deepEqual(
    (await readdir(at.folder)).filter((file) => file.includes("partial")),
    [],
  );
});

test("copy to a folder: nothing has the tag, and the same command copies the rest", async () => {
  await using registry = await faultyRegistry();
  const name = `http://${registry.registry.host}/team/os:v1`;
  await push(registry.store, image);
  const path = join(at.folder, "copied");
  await interrupted(registry, ["copy", name, "oci:copied"], LATE, isBlob("GET"));
  assert.ok(!existsSync(join(path, "index.json")), "nobody finds anything there");
  assert.deepEqual(
    (await filesOf(path)).filter((file) => file.includes("partial") || file.includes("lock")),
    [],
  );
  assert.match((await cli(["copy", name, "oci:copied"])).out, /:v1 is sha256:[^]*were there/);
  assert.equal((await cli(["pull", "oci:copied:v1", "-o", "from-folder.img"])).exitCode, 0);
});

test("copy to an archive: there is none, and the same command makes it and leaves nothing else", async () => {
  await using registry = await faultyRegistry();
  const name = `http://${registry.registry.host}/team/os:v1`;
  await push(registry.store, image);
  const args = ["copy", name, "oci-archive:copied.tar", "--json"];
  let isFollowed = false;
  let count = 0;
  const fourth = Promise.withResolvers<void>();
  registry.fail((asked) => {
    if (!isBlob("GET")(asked) || ++count < 4) return undefined;
    fourth.resolve();
    return { dripMs: 1000 }; // the rest of it does not come before it has heard of that
  });
  // What an archive's lock waits for is the end of a process.
  const onEvent = (_: CliEvent, end: () => void): void => {
    if (!isFollowed) void fourth.promise.then(end);
    isFollowed = true;
  };
  const stopped = await petrify(args, { cwd: at.folder, onEvent });
  assert.equal(stopped.exitCode, 130, stopped.stderr);
  assert.ok(!existsSync(join(at.folder, "copied.tar")));
  registry.fail(undefined);
  assert.equal((await petrify(args, { cwd: at.folder })).exitCode, 0);
  assert.deepEqual(
    (await readdir(at.folder)).filter((file) => file.startsWith("copied.tar")),
    ["copied.tar"],
  );
  assert.equal((await cli(["pull", "oci-archive:copied.tar:v1", "-o", "from-archive.img"])).exitCode, 0);
});
