import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mediumOfImage } from "../../src/build/medium.ts";
import { sha256File } from "../../src/host/files.ts";
import { openImage } from "../../src/host/image-file.ts";
import { findOnMedium, readMediumDescription } from "../../src/layout/medium.ts";
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
    made = await petrify(["build", "--json", "--output", "image,disk,iso,netboot,container", "--format", "qcow2,vhdx"], {
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
    const { image, disk, disks, iso, netboot, container } = value;
    assert.deepEqual(
      [image, iso, netboot, container],
      [out(`${name}.img`), out(`${name}.iso`), out(`${name}.netboot`), out(`${name}.oci`)],
    );
    assert.deepEqual([disk, disks], [out(`${name}.qcow2`), [out(`${name}.qcow2`), out(`${name}.vhdx`)]]);
    const sums = (await readdir(out(""), { recursive: true })).filter((path) => /\.sha256$|SHA256SUMS$/.test(path)).toSorted();
    assert.deepEqual(sums, [
      ...[`${name}.img.sha256`, `${name}.iso.sha256`, `${name}.netboot/SHA256SUMS`, `${name}.oci/SHA256SUMS`],
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
  test("the medium is made the same once more, with another umask, and sfdisk accepts its table", async () => {
    const again = out("again.iso");
    const programs = { tools: await testTools(), media: await testTools("media") };
    await using work = await workspace();
    const umask = process.umask(0o077);
    try {
      await using _ = await takeCore();
      const { id } = await mediumOfImage(programs, { image: out("test-0.1.0.img") }, again, work.folder);
      using iso = openImage(again);
      assert.deepEqual([readMediumDescription(iso.read).id, iso.size], [id, (await stat(out("test-0.1.0.iso"))).size]);
    } finally {
      process.umask(umask);
    }
    assert.equal(await sha256File(again), await sha256File(out("test-0.1.0.iso")));
    const { stdout } = await programs.tools.run(["sfdisk", "--verify", again], { binds: [{ source: again }] });
    assert.match(stdout, /No errors detected/);
  });
  test("a medium with a machine config is for its owner only, and its id says nothing of the config", async () => {
    const programs = { tools: await testTools(), media: await testTools("media") };
    await using work = await workspace();
    await using _ = await takeCore();
    const config = "#cloud-config\nnote: a secret\n";
    const { id } = await mediumOfImage(programs, { image: out("test-0.1.0.img"), config }, out("config.iso"), work.folder);
    assert.equal((await stat(out("config.iso"))).mode & 0o777, 0o600);
    using iso = openImage(out("config.iso"));
    using plain = openImage(out("test-0.1.0.iso"));
    assert.equal(id, readMediumDescription(plain.read).id);
    const { start, size } = findOnMedium(iso.read, "config");
    assert.equal(Buffer.from(iso.read(start, size)).toString(), config);
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
