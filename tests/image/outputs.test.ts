import assert from "node:assert/strict";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "../../src/host/run.ts";
import type { Tools } from "../../src/host/tools.ts";
import { petrify, recipe, workspace, type CliRun, type Workspace } from "../support/cli.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";

describe("petrify build with every form of output", { timeout: 900_000 }, () => {
  let user: Workspace;
  let containers: Tools;
  let made: CliRun;
  const out = (name: string): string => join(user.folder, "out", name);
  before(async () => {
    containers = await testTools("containers");
    user = await workspace({ "petrify.yaml": recipe() });
    await using _ = await takeCore();
    made = await petrify(["build", "--json", "--output", "image,disk,netboot,container", "--format", "qcow2,vhdx"], {
      cwd: user.folder,
    });
    assert.equal(made.exitCode, 0, made.stdout + made.stderr);
  });
  after(async () => await user[Symbol.asyncDispose]());
  const judge = async (...argv: [string, ...string[]]): Promise<string> =>
    (await containers.run(argv, { binds: [{ source: user.folder, writable: true }], anyOwner: true })).stdout;

  test("each is where the result says, with its checksum", async () => {
    const value = made.events.find(({ type }) => type === "result")!["value"] as Record<string, unknown>;
    const name = "test-0.1.0";
    const { image, disk, disks, netboot, container } = value;
    assert.deepEqual([image, netboot, container], [out(`${name}.img`), out(`${name}.netboot`), out(`${name}.oci`)]);
    assert.deepEqual([disk, disks], [out(`${name}.qcow2`), [out(`${name}.qcow2`), out(`${name}.vhdx`)]]);
    const sums = (await readdir(out(""), { recursive: true })).filter((path) => /\.sha256$|SHA256SUMS$/.test(path)).toSorted();
    assert.deepEqual(sums, [
      ...[`${name}.img.sha256`, `${name}.netboot/SHA256SUMS`, `${name}.oci/SHA256SUMS`],
      ...[`${name}.qcow2.sha256`, `${name}.vhdx.sha256`],
    ]);
    for (const path of sums) {
      await run(["sha256sum", "--check", "--strict", "--quiet", out(path)], {
        cwd: path.endsWith(".sha256") ? out("") : dirname(out(path)),
      });
    }
    const netbootFiles = (await readdir(out(`${name}.netboot`))).toSorted();
    assert.deepEqual(netbootFiles, ["SHA256SUMS", "boot.ipxe", "cmdline", "initrd", "vmlinuz"]);
  });
  test("systemd-dissect and sfdisk accept the image, and systemd-dissect finds the root's hash tree", async () => {
    const image = out("test-0.1.0.img");
    assert.match(await judge("systemd-dissect", "--validate", image), /^OK/);
    await judge("systemd-dissect", "--validate", "--image-policy=root=verity:xbootldr=unprotected:=absent", image);
    await assert.rejects(judge("systemd-dissect", "--validate", "--image-policy=root=absent:=ignore", image));
    const build = await testTools();
    const { stdout } = await build.run(["sfdisk", "--verify", image], { binds: [{ source: image }] });
    assert.match(stdout, /No errors detected/);
  });
  test("the container has the same system, and runs a program of it", async () => {
    const reference = `oci:${out("test-0.1.0.oci")}:0.1.0`;
    const seen = JSON.parse(await judge("skopeo", "inspect", reference)) as { Labels: Record<string, string> };
    const { rootHash } = JSON.parse(await readFile(out("test-0.1.0.manifest.json"), "utf8")) as { rootHash: string };
    assert.equal(seen.Labels["petrify.root-hash"], rootHash);
    await mkdir(out("unpacked"));
    await judge("umoci", "unpack", "--image", `${out("test-0.1.0.oci")}:0.1.0`, out("unpacked/bundle"));
    const rootfs = out("unpacked/bundle/rootfs");
    assert.match(await judge("chroot", rootfs, "/usr/bin/cat", "/etc/os-release"), /^IMAGE_VERSION=0\.1\.0$/m);
    assert.equal(
      await judge("chroot", rootfs, "/usr/bin/readlink", "--canonicalize", "/sbin/init"),
      "/usr/lib/systemd/systemd\n",
    );
    assert.match(await judge("chroot", rootfs, "/usr/bin/dpkg-query", "--show", "systemd"), /^systemd\t/);
    await judge("rm", "--recursive", out("unpacked"));
  });
});
