import assert from "node:assert/strict";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { assertNothingLeft, machine } from "../support/leftovers.ts";
import { ownCache, petrify, recipe, workspace, type Workspace } from "../support/cli.ts";

/** Steps of a build, as its progress names them; the first three only happen with an empty cache or without a lock. */
const STEPS = [
  /^choose packages/,
  /^fetch /,
  /^install /,
  /^unpack the base/,
  /^take the kernel/,
  /^make the initrd/,
  /^make the root file system/,
  /^make the system image/,
  /^make the disk/,
];

describe("Ctrl-C in the middle of a build", () => {
  let user: Workspace;
  let cache: string;
  before(async () => {
    user = await workspace({ "petrify.yaml": recipe() });
    cache = await ownCache(user.folder, { cold: true });
  });
  after(async () => await user[Symbol.asyncDispose]());

  for (const step of STEPS) {
    test(`in step ${step.source}: exit 130, nothing half made, the cache as good as before`, { timeout: 600_000 }, async () => {
      const clean = await machine();
      let interrupted = false;
      const run = await petrify(["build", "--json", "--output", "image,disk", "--cache", cache], {
        cwd: user.folder,
        onEvent: ({ step: title, state }, interrupt) => {
          if (interrupted || state !== "started" || !step.test(String(title))) return;
          interrupted = true;
          interrupt();
        },
      });
      assert.ok(interrupted, `no step ${step.source} in ${run.stdout}`);
      assert.equal(run.exitCode, 130, run.stdout + run.stderr);
      await assertNothingLeft(user.folder, cache, clean);
    });
  }

  test("the next build succeeds with that cache", { timeout: 600_000 }, async () => {
    const run = await petrify(["build", "--json", "--cache", cache], { cwd: user.folder });
    assert.equal(run.exitCode, 0, run.stdout + run.stderr);
    assert.deepEqual((await readdir(join(user.folder, "out"))).toSorted(), [
      ...["test-0.1.0.img", "test-0.1.0.img.sha256", "test-0.1.0.manifest.json"],
    ]);
    await rm(join(user.folder, "out"), { recursive: true });
  });
});

test("two builds at once with one cache both succeed, with the same image", { timeout: 900_000 }, async () => {
  await using user = await workspace({ "one/petrify.yaml": recipe(), "two/petrify.yaml": recipe() });
  const cache = await ownCache(user.folder);
  const runs = await Promise.all(
    ["one", "two"].map(async (name) => await petrify(["build", name, "--json", "--cache", cache], { cwd: user.folder })),
  );
  for (const run of runs) assert.equal(run.exitCode, 0, run.stdout + run.stderr);
  const hashes = runs.map(({ events }) => {
    const result = events.find(({ type }) => type === "result");
    return (result!["value"] as { manifest: { rootHash: string } }).manifest.rootHash;
  });
  assert.equal(hashes[0], hashes[1]);
});

test("a full disk: one error that says so, and nothing half made", { timeout: 600_000 }, async () => {
  await using user = await workspace({ "petrify.yaml": recipe() });
  const clean = await machine();
  const cache = await ownCache(user.folder);
  const small = join(user.folder, "small");
  // 300 MiB: enough for the packages' files, not for the tree they become.
  const mountSmall = ["unshare", "--mount", ...(process.getuid!() === 0 ? [] : ["--user", "--map-root-user"]), "--"];
  await user.write({
    "small/keep": "",
    "mount.sh": `mount -t tmpfs -o size=300m none "${small}" && cp -a "${cache}"/. "${small}" && "$@"; code=$?; find "${small}" -mindepth 2 >&2; exit $code\n`,
  });
  const run = await petrify(["build", "--json", "--output", "disk", "--cache", small], {
    cwd: user.folder,
    prefix: [...mountSmall, "sh", join(user.folder, "mount.sh")],
  });
  const errors = run.events.filter(({ type }) => type === "error");
  assert.equal(errors.length, 1, run.stdout + run.stderr);
  assert.equal(errors[0]!["code"], "DISK_FULL", JSON.stringify(errors[0]));
  assert.match(String(errors[0]!["hint"]), /[Ff]ree/);
  assert.equal(run.exitCode, 1);
  assert.doesNotMatch(run.stderr, /work\/\d+-/, "no work folder is left on the small disk");
  await assertNothingLeft(user.folder, cache, clean);
});
