import assert from "node:assert/strict";
import { chmod, link, mkdir, mkdtempDisposable, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { tinyTree } from "../../tests/support/tiny-layout.ts";
import { rootFs } from "../host/rootfs.ts";
import { run } from "../host/run.ts";
import type { Tools } from "../host/tools.ts";
import { containerOfTree } from "./container.ts";
import type { Tree } from "./tree.ts";

const FACTS = { name: "kiosk", version: "1.4.0+build", created: 1_700_000_000, rootHash: "ab".repeat(32) } as const;
const TAG = "1.4.0-build";
const CAPABILITY = "0x0100000200200000000000000000000000000000"; // cap_net_raw=ep

let tools: Tools;
let containers: Tools;
before(async () => {
  [tools, containers] = [await testTools(), await testTools("containers")];
});

/** A tree with everything that an archive could lose. */
async function makeTree(folder: string): Promise<Tree> {
  await mkdir(folder);
  await tinyTree(containers, folder);
  const at = (path: string): string => join(folder, path);
  await mkdir(at("sbin"));
  await mkdir(at("usr/lib/systemd"), { recursive: true });
  await writeFile(at("usr/lib/systemd/systemd"), "an init");
  await symlink("../usr/lib/systemd/systemd", at("sbin/init"));
  await writeFile(at("usr/bin/ping"), "a program");
  await chmod(at("usr/bin/ping"), 0o4755);
  await link(at("usr/bin/ping"), at("usr/bin/ping6"));
  await writeFile(at("acl"), "shared");
  await writeFile(at("owned"), "somebody's");
  const long = `${"a-long-name-".repeat(12)}/`.repeat(3);
  await mkdir(at(long), { recursive: true });
  await writeFile(at(`${long}file`), "deep");
  const tool: Tree["tool"] = async (argv, { binds = [], ...options } = {}) =>
    (await tools.run(argv, { ...options, binds: [{ source: folder, writable: true }, ...binds], anyOwner: true })).stdout;
  await tool(["chown", "3000000:70000", at("owned")]);
  await tool(["python3", "-c", SET_XATTRS, folder]);
  return { fs: rootFs(folder), tool };
}
const SET_XATTRS = `
import os, struct, sys
at = lambda p: os.path.join(sys.argv[1], p)
os.setxattr(at("usr/bin/ping"), "security.capability", bytes.fromhex("${CAPABILITY.slice(2)}"))
os.setxattr(at("owned"), "user.note", b"\\x00\\xffbytes\\n")
entries = [(1, 6, 0xffffffff), (2, 4, 4242), (4, 4, 0xffffffff), (16, 4, 0xffffffff), (32, 4, 0xffffffff)]
os.setxattr(at("acl"), "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries))
`;
/** Every entry with its owner, mode, links and attributes, one a line. */
const LIST = `
import hashlib, os, stat, sys
top = sys.argv[1]
for folder, names, files in os.walk(top):
    for name in [""] * (folder == top) + names + files:
        path = os.path.join(folder, name) if name else folder
        s = os.lstat(path)
        what = os.readlink(path) if stat.S_ISLNK(s.st_mode) else hashlib.sha256(open(path, "rb").read()).hexdigest() if stat.S_ISREG(s.st_mode) else ""
        attributes = [(n, os.getxattr(path, n, follow_symlinks=False).hex()) for n in sorted(os.listxattr(path, follow_symlinks=False))]
        links = s.st_nlink if stat.S_ISREG(s.st_mode) else 0
        print(os.path.relpath(path, top), oct(s.st_mode), s.st_uid, s.st_gid, links, what, attributes)
`;
const list = async (folder: string): Promise<string[]> =>
  (await tools.run(["python3", "-c", LIST, folder], { binds: [{ source: folder }], anyOwner: true })).stdout
    .split("\n")
    .toSorted();

test("the container image is one that skopeo, umoci and buildah take, with the whole tree", { timeout: 300_000 }, async (t) => {
  if (process.getuid!() !== 0) return t.skip("only root can give files to any user");
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-container-"));
  const at = (name: string): string => join(dir.path, name);
  const tree = await makeTree(at("root"));
  const layout = at("out/kiosk.oci");
  await mkdir(at("out"));
  await containerOfTree(tree, FACTS, layout, { signal: undefined });
  const wanted = await list(at("root"));
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
    const got = await list(at("bundle/rootfs"));
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
    const again = at("again/tree");
    const tool: Tree["tool"] = async (argv, { binds: more = [], ...options } = {}) =>
      (await tools.run(argv, { ...options, binds: [{ source: again }, ...more], anyOwner: true })).stdout;
    await containerOfTree({ fs: rootFs(again), tool }, FACTS, at("again/out"), { signal: undefined });
    assert.equal(await readFile(join(at("again/out"), "SHA256SUMS"), "utf8"), await readFile(join(layout, "SHA256SUMS"), "utf8"));
  });
});

test("an abort ends it", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-container-"));
  await mkdir(join(dir.path, "root"));
  const fs = rootFs(join(dir.path, "root"));
  const tool: Tree["tool"] = async () => {
    await writeFile(join(dir.path, "out.tar"), "a layer");
    return "";
  };
  const signal = AbortSignal.abort(new Error("interrupted"));
  await assert.rejects(containerOfTree({ fs, tool }, FACTS, join(dir.path, "out"), { signal }), { message: "interrupted" });
});
