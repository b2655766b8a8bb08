import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { smallSystem } from "../../tests/support/small-system.ts";
import { testTools } from "../../tests/support/tools.ts";
import { treeImage } from "../../tests/support/tree-image.ts";
import type { TarEntry } from "../../tests/support/tree-tar.ts";
import { currentCaller } from "../host/caller.ts";
import { run } from "../host/run.ts";
import { containerOfImage } from "./container.ts";
import { openSystemImage } from "./open-image.ts";

const more: readonly TarEntry[] = [
  { path: "usr/bin/sh", type: "hard link", target: "usr/bin/bash" },
  { path: "dev/", mode: 0o755 },
  { path: "dev/null", type: "character", device: [1, 3], mode: 0o666 },
  { path: "dev/wide", type: "block", device: [259, 300], mode: 0o660 },
  { path: `srv/${"a long name ".repeat(12)}é`, data: "x", uid: 3_000_000, gid: 7 },
];

/** What GNU tar makes of the layer of an image with these files, and its config. */
async function layerOf(entries: readonly TarEntry[]) {
  const tools = await testTools();
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-container-"));
  const path = join(dir.path, "a.img");
  await treeImage(tools, entries, path);
  const failing = async (): Promise<never> => await Promise.reject(new Error("not needed"));
  const context = { tools: failing, containerTools: failing, caller: currentCaller(), run, signal: undefined };
  await using image = await openSystemImage(path, { ...context, cacheFolder: join(dir.path, "cache") });
  const { manifest, blobs } = await containerOfImage(image, undefined);
  const [config, layer] = await Promise.all(blobs.map(async ({ source }) => Buffer.concat(await Array.fromAsync(source(0)))));
  for (const [at, bytes] of [config!, layer!].entries())
    assert.equal(blobs[at]!.descriptor.digest, `sha256:${createHash("sha256").update(bytes).digest("hex")}`);
  const rest = Buffer.concat(await Array.fromAsync(blobs[1]!.source(100)));
  assert.ok(rest.equals(layer!.subarray(100)), "an upload that was cut goes on in the middle");
  const tar = gunzipSync(layer!);
  await writeFile(join(dir.path, "layer.tar"), tar);
  const { stdout } = await tools.run(
    ["tar", "--list", "--verbose", "--numeric-owner", "--utc", `--file=${join(dir.path, "layer.tar")}`],
    { binds: [{ source: dir.path }] },
  );
  return {
    lines: stdout.trimEnd().split("\n"),
    tar,
    config: JSON.parse(config!.toString()),
    manifest: JSON.parse(new TextDecoder().decode(manifest)),
  };
}

test("the container image has what the root file system has: owners, modes, links, devices, attributes", async () => {
  const { lines, tar, config, manifest } = await layerOf([...smallSystem, ...more]);
  const words = lines.map((line) => line.replaceAll(/ +/g, " ").replace(/ \d{4}-\d\d-\d\d \d\d:\d\d /, " "));
  for (const line of [
    "-rwsr-xr-x 0/0 2 usr/bin/su",
    "-rw-r----- 0/42 73 etc/shadow",
    "-rw------- 1000/1000 29 home/ann/.ssh/authorized_keys",
    "hrwxr-xr-x 0/0 0 usr/bin/sh link to usr/bin/bash",
    "lrwxr-xr-x 0/0 0 sbin -> usr/sbin",
    "crw-rw-rw- 0/0 1,3 dev/null",
    "brw-rw---- 0/0 259,300 dev/wide",
  ]) {
    const [name] = line.split(" ").slice(3);
    assert.ok(
      words.some((one) => one.replace("*", "") === line || one.replace("* ", " ") === line),
      `${line}\n${words.filter((one) => one.includes(name!)).join("\n")}`,
    );
  }
  assert.ok(words.some((line) => line.includes("3000000/7 1 srv/a long name")));
  assert.ok(tar.includes("SCHILY.xattr.security.capability="), "capabilities come along");
  assert.equal(config.config.StopSignal, "SIGRTMIN+3");
  assert.deepEqual(config.rootfs.diff_ids, [`sha256:${createHash("sha256").update(tar).digest("hex")}`]);
  assert.equal(manifest.annotations["org.opencontainers.image.version"], "1.2.3");
});

test("a name that says what is gone in a container image is refused", async () => {
  await assert.rejects(layerOf([{ path: "etc/.wh.gone", data: "" }]), { code: "CONTAINER_UNFIT", message: /\/etc\/\.wh\.gone/ });
});
