import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { fullTree, listTree } from "../../tests/support/full-tree.ts";
import { rootFs } from "../host/rootfs.ts";
import { run } from "../host/run.ts";
import type { Tools } from "../host/tools.ts";
import { containerOfTree } from "./container.ts";
import type { Tree } from "./tree.ts";

const FACTS = { name: "kiosk", version: "1.4.0+build", created: 1_700_000_000, rootHash: "ab".repeat(32) } as const;
const TAG = "1.4.0-build";
let tools: Tools;
let containers: Tools;
before(async () => {
  [tools, containers] = [await testTools(), await testTools("containers")];
});

const treeAt = (folder: string): Tree => ({
  fs: rootFs(folder),
  tool: async (argv, { binds = [], ...options } = {}) =>
    (await tools.run(argv, { ...options, binds: [{ source: folder, writable: true }, ...binds], anyOwner: true })).stdout,
});

test("the container image is one that skopeo, umoci and buildah take, with the whole tree", { timeout: 300_000 }, async (t) => {
  if (process.getuid!() !== 0) return t.skip("only root can give files to any user");
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-container-"));
  const at = (name: string): string => join(dir.path, name);
  await fullTree(containers, tools, at("root"));
  const layout = at("out/kiosk.oci");
  await mkdir(at("out"));
  await containerOfTree(treeAt(at("root")), FACTS, layout, { signal: undefined });
  const wanted = await listTree(tools, at("root"));
  const binds = [{ source: dir.path, writable: true }];
  const judge = async (...argv: [string, ...string[]]): Promise<string> =>
    (await containers.run(argv, { binds, anyOwner: true, env: { TMPDIR: dir.path } })).stdout;

  const skopeo = async (...args: readonly string[]): Promise<string> => await judge("skopeo", "--tmpdir", dir.path, ...args);

  await t.test("skopeo reads it", async () => {
    const seen = JSON.parse(await skopeo("inspect", `oci:${layout}:${TAG}`)) as Record<string, unknown>;
    assert.equal(seen["Created"], "2023-11-14T22:13:20Z");
    assert.deepEqual([seen["Os"], seen["Architecture"]], ["linux", "amd64"]);
    assert.equal((seen["Labels"] as Record<string, string>)["petrify.root-hash"], FACTS.rootHash);
    const config = JSON.parse(await skopeo("inspect", "--config", `oci:${layout}:${TAG}`)) as { config: object };
    assert.partialDeepStrictEqual(config.config, { Cmd: ["/sbin/init"], StopSignal: "SIGRTMIN+3" });
    await skopeo("copy", `oci:${layout}:${TAG}`, `docker-archive:${at("docker.tar")}:kiosk:1`);
    await skopeo("copy", `docker-archive:${at("docker.tar")}`, `dir:${at("plain")}`);
  });
  await t.test("umoci unpacks the same tree: owners, modes, links, capabilities, ACLs, attributes, long names", async () => {
    await judge("umoci", "unpack", "--image", `${layout}:${TAG}`, at("bundle"));
    const got = await listTree(tools, at("bundle/rootfs"));
    assert.deepEqual(got, wanted);
    for (const text of [
      /ping .*104755 0 0 2 .*security.capability/,
      /owned .*3000000 70000 .*user.note/,
      /acl .*posix_acl_access/,
    ])
      assert.ok(
        wanted.some((line) => text.test(line)),
        String(text),
      );
  });
  await t.test("a program of it runs in a container", async () => {
    for (const name of ["storage", "runroot", "cache", "helpers"]) await mkdir(at(name));
    await symlink("/usr/bin/false", at("helpers/netavark"));
    await writeFile(at("containers.conf"), `[engine]\nhelper_binaries_dir = ["${at("helpers")}"]\n`);
    const buildah = async (...args: readonly string[]): Promise<string> =>
      (
        await containers.run(
          ["buildah", "--root", at("storage"), "--runroot", at("runroot"), "--storage-driver", "vfs", ...args],
          {
            binds: [...binds, { source: at("cache"), target: "/var/cache", writable: true }],
            env: { TMPDIR: dir.path, CONTAINERS_CONF: at("containers.conf") },
            anyOwner: true,
            network: true,
          },
        )
      ).stdout.trim();
    const limits = ["--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096"];
    const container = await buildah("from", ...limits, `oci:${layout}:${TAG}`);
    const said = await buildah("run", "--isolation", "chroot", "--network", "host", container, "cat", "/etc/os-release");
    assert.equal(said, "ID=tiny");
  });
  await t.test("its checksums are right, and there is nothing else in it", async () => {
    const { stdout } = await run(["sha256sum", "--check", "--strict", "SHA256SUMS"], { cwd: layout });
    assert.equal(stdout.split("\n").filter((line) => line.endsWith(": OK")).length, 5);
    const files = await readdir(layout, { recursive: true, withFileTypes: true });
    assert.equal(files.filter((file) => file.isFile()).length, 6);
    assert.deepEqual(await readdir(at("out")), ["kiosk.oci"]);
  });
  await t.test("the same tree gives the same bytes at another place", async () => {
    await mkdir(at("again"));
    await tools.run(["cp", "--archive", at("root"), at("again/tree")], { binds, anyOwner: true });
    await containerOfTree(treeAt(at("again/tree")), FACTS, at("again/out"), { signal: undefined });
    assert.equal(await readFile(join(at("again/out"), "SHA256SUMS"), "utf8"), await readFile(join(layout, "SHA256SUMS"), "utf8"));
  });
});

test("an abort ends it", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-container-"));
  await mkdir(join(dir.path, "root/usr/lib/systemd"), { recursive: true });
  await writeFile(join(dir.path, "root/usr/lib/systemd/systemd"), "an init");
  const fs = rootFs(join(dir.path, "root"));
  const tool: Tree["tool"] = async () => {
    await writeFile(join(dir.path, "out.tar"), "a layer");
    return "";
  };
  const signal = AbortSignal.abort(new Error("interrupted"));
  await assert.rejects(containerOfTree({ fs, tool }, FACTS, join(dir.path, "out"), { signal }), { message: "interrupted" });
});

test("a name that would take a file away from who reads the layer is refused", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-container-"));
  const tree = treeAt(join(dir.path, "root"));
  await mkdir(join(tree.fs.folder, "usr/lib/systemd"), { recursive: true });
  await writeFile(join(tree.fs.folder, "usr/lib/.wh.systemd"), "");
  await assert.rejects(containerOfTree(tree, FACTS, join(dir.path, "out"), { signal: undefined }), {
    code: "CONTAINER_UNFIT",
    message: /^\/usr\/lib\/\.wh\.systemd of the image/,
  });
});
