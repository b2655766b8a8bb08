import assert from "node:assert/strict";
import { chmod, cp, mkdir, readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { build, type BuildResult } from "../../src/build/build.ts";
import type { BuildContext } from "../../src/build/context.ts";
import { cachedPackage, resolvePackages } from "../../src/build/packages.ts";
import { toolsTree } from "../../src/build/tools-tree.ts";
import { silent } from "../../src/core/progress.ts";
import { currentCaller } from "../../src/host/caller.ts";
import { sha256File } from "../../src/host/files.ts";
import { run, type Run } from "../../src/host/run.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { openTools, type Tools } from "../../src/host/tools.ts";
import { parseLock } from "../../src/config/lock.ts";
import type { ImageReport } from "../../src/inspect/report.ts";
import { firstKeys } from "../../src/release/change-keys.ts";
import { formatKeyList } from "../../src/release/key-list.ts";
import { newKeyPair } from "../support/signing.ts";
import { testTools } from "../support/tools.ts";
import { CACHE, ownCache, petrify, workspace, type Workspace } from "../support/cli.ts";

const TOP = resolve(import.meta.dirname, "../..");
/** Something of everything that could differ: ids, owners, modes, links, units, keys, compressed parts. */
const RECIPE = `apiVersion: petrify/v1
name: test
base: { suite: trixie }
packages: [openssh-server]
kernel: { cmdline: [quiet] }
files:
  - { source: tree, target: / }
  - { source: tree/etc/motd, target: /opt/owned, mode: "0640", owner: "ann:adm" }
users: [{ name: ann, groups: [adm], sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEJq7Q1N0hYQ0n0g5v6lN0wq0t3qkq1v0l9m2b3c4d5e ann"] }]
units: { enable: [systemd-networkd.service], mask: [fstrim.timer] }
persistent: [/var/lib/app]
trust: keys.json
`;
const KEYS = firstKeys([newKeyPair().publicKey], sha256);
const FILES = {
  "petrify.yaml": RECIPE,
  "keys.json": formatKeyList(KEYS),
  "tree/etc/motd": "hello\n",
  "tree/usr/bin/tool": "#!/bin/sh\n",
  "tree/var/lib/app/state": "1\n",
};

describe("the same recipe, files and lock give the same image, byte for byte", () => {
  let first: Workspace;
  let image: string;
  let manifest: string;

  before(async () => {
    first = await workspace(FILES);
    await chmod(join(first.folder, "tree/usr/bin/tool"), 0o755);
    const made = await petrify(["build", "--json"], { cwd: first.folder });
    assert.equal(made.exitCode, 0, made.stdout + made.stderr);
    image = await sha256File(join(first.folder, "out/test-0.1.0.img"));
    manifest = await readFile(join(first.folder, "out/test-0.1.0.manifest.json"), "utf8");
  });
  after(async () => await first[Symbol.asyncDispose]());

  /** The recipe as a colleague would check it out: files and lock, no outputs. */
  async function checkout(folder: string): Promise<void> {
    await cp(first.folder, folder, { recursive: true, filter: (path) => !path.startsWith(join(first.folder, "out")) });
  }
  async function assertSame(folder: string): Promise<void> {
    assert.equal(await readFile(join(folder, "out/test-0.1.0.manifest.json"), "utf8"), manifest);
    assert.equal(await sha256File(join(folder, "out/test-0.1.0.img")), image);
    assert.equal(
      await readFile(join(folder, "petrify.lock"), "utf8"),
      await readFile(join(first.folder, "petrify.lock"), "utf8"),
    );
  }

  test("and it is whole, and says what it holds", { timeout: 120_000 }, async () => {
    const cwd = first.folder;
    const valueOf = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { exitCode, events, stdout, stderr } = await petrify([...args, "out/test-0.1.0.img", "--json"], { cwd });
      assert.equal(exitCode, 0, stdout + stderr);
      return events.find(({ type }) => type === "result")!["value"] as Record<string, unknown>;
    };
    assert.deepEqual((await valueOf("verify"))["findings"], []);
    const report = (await valueOf("inspect")) as unknown as ImageReport;
    assert.deepEqual([report.init, report.os["VERSION_CODENAME"], report.notes], ["systemd", "trixie", []]);
    const { packages } = parseLock(await readFile(join(cwd, "petrify.lock"), "utf8"), "petrify.lock");
    const named = (list: readonly { readonly name: string; readonly version: string }[]): string[] =>
      list.map(({ name, version }) => `${name} ${version}`).toSorted();
    const initrd = { name: "petrify-initrd", version: "1" }; // stands for the initrd that kernels of Debian want
    assert.deepEqual(named(report.packages), named([...packages, initrd]), "the database has what the lock has");
    const [ann] = report.users.filter(({ login }) => login.length > 0);
    assert.deepEqual([ann?.name, ann?.login], ["ann", ["ssh key"]]);
    assert.ok(report.persistent.includes("/var/lib/app"));
    assert.deepEqual(report.trust, KEYS, "machines with it know its releases by the keys of the recipe");
    const enabled = report.units.enabled.map(({ name }) => name);
    assert.ok(enabled.includes("systemd-networkd.service") && enabled.includes("petrifyd.service"), enabled.join(" "));
    assert.ok(report.units.masked.includes("fstrim.timer"));
    assert.equal(
      ((await valueOf("inspect", "--sbom", "spdx"))["packages"] as unknown[]).length,
      packages.length + 2,
      "and the image itself",
    );
  });

  test("under another path, user, umask, time zone and locale", { timeout: 900_000 }, async (t) => {
    if (process.getuid!() !== 0) return t.skip("only root can become another user");
    await run(["useradd", "--create-home", "petrify-test"], { okExit: [0, 9] }); // 9: is there already
    const home = "/home/petrify-test";
    const folder = join(home, "elsewhere");
    await rm(folder, { recursive: true, force: true });
    await rm(join(home, ".cache/petrify/bases"), { recursive: true, force: true }); // its base is made again, too
    await checkout(folder);
    await run(["chown", "--recursive", "petrify-test:", folder]);
    t.after(async () => await rm(folder, { recursive: true, force: true }));
    // The checkout of petrify may lie where that user cannot go: it is shown at another path, too.
    const script = 'mount --bind "$0" /mnt && umask 077 && exec runuser --user petrify-test -- "$@"';
    const made = await petrify(["build", "--json"], {
      cwd: "/",
      main: "/mnt/src/cli/main.ts",
      node: process.execPath.replace(TOP, "/mnt"),
      prefix: ["unshare", "--mount", "--", "sh", "-c", script, TOP, "env", `--chdir=${folder}`, `HOME=${home}`],
      env: { LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8", TZ: "Asia/Kathmandu", XDG_CACHE_HOME: "" },
    });
    assert.equal(made.exitCode, 0, made.stdout + made.stderr);
    await assertSame(folder);
  });

  test("under another clock", { timeout: 900_000 }, async (t) => {
    await using other = await workspace();
    const folder = join(other.folder, "checkout");
    await checkout(folder);
    const cache = await ownCache(other.folder); // without a base
    const library = await fakeTimeLibrary(other.folder);
    const shifted = await contextOf(shiftedClock(library), cache);
    const seen = Number((await shifted.tools.run(["date", "+%s"])).stdout);
    assert.ok(seen < Date.now() / 1000 - 399 * 86_400, "the clock is another one");
    const made = await buildWith(shifted, folder);
    assert.ok(made.image);
    await assertSame(folder);
    t.diagnostic(`image ${image}`);
  });
});

/** libfaketime, unpacked below `folder`: it is no part of the tools. */
async function fakeTimeLibrary(folder: string): Promise<string> {
  const context = await contextOf(run, CACHE);
  const work = join(folder, "faketime");
  await mkdir(work);
  const { packages } = await resolvePackages(
    { suite: "trixie", components: ["main"], names: ["libfaketime"] },
    undefined,
    false,
    work,
    context,
  );
  const wanted = packages.find(({ name }) => name === "libfaketime")!;
  const [deb, tree] = [cachedPackage(context, wanted), join(work, "tree")];
  await context.tools.run(["dpkg-deb", "--extract", deb, tree], { binds: [{ source: deb }, { source: work, writable: true }] });
  return join(tree, "usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
}

/** Programs in the sandbox see a clock 400 days behind; not mmdebstrap, whose apt waits for ever on such a clock. */
function shiftedClock(library: string): Run {
  return async (argv, options) => {
    const at = argv.indexOf("--clearenv");
    if (at < 0 || argv.includes("mmdebstrap")) return await run(argv, options);
    const outside = [...argv.slice(0, at), "--ro-bind", library, "/run/faketime.so", "--clearenv"];
    const set = ["--setenv", "LD_PRELOAD", "/run/faketime.so", "--setenv", "FAKETIME", "-400d", "--setenv", "NO_FAKE_STAT", "1"];
    return await run([...outside, ...set, ...argv.slice(at + 1)] as [string, ...string[]], options);
  };
}

async function contextOf(runWith: Run, cacheFolder: string): Promise<BuildContext> {
  const caller = currentCaller();
  const { root, id } = await toolsTree({ folder: join(CACHE, "tools"), caller, run, progress: silent });
  const tools = openTools(root, id, caller, runWith);
  const random = (): never => assert.fail("an image may hold nothing random");
  const containerTools = async (): Promise<Tools> => await testTools("containers");
  const mediaTools = async (): Promise<Tools> => await testTools("media");
  const common = { run, caller, progress: silent, signal: undefined };
  return { ...common, tools, containerTools, mediaTools, cacheFolder, clock: () => performance.now(), random };
}

async function buildWith(context: BuildContext, folder: string): Promise<BuildResult> {
  const place = { recipePath: join(folder, "petrify.yaml"), outDir: join(folder, "out") };
  return await build({ ...place, outputs: ["image"], formats: [], updateLock: false }, context);
}
