import assert from "node:assert/strict";
import { open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { petrify, workspace, type CliRun, type Workspace } from "../../tests/support/cli.ts";
import { noise } from "../../tests/support/small-image.ts";
import { smallSystem } from "../../tests/support/small-system.ts";
import { testTools } from "../../tests/support/tools.ts";
import { treeImage } from "../../tests/support/tree-image.ts";
import { sha256 } from "../host/sha256.ts";
import { newSigningKey, plainSigningKey } from "../host/signing-key.ts";
import { formatPublicKey, keyId } from "../layout/public-key.ts";

let folder: Workspace;
before(async () => {
  folder = await workspace();
  const tools = await testTools();
  const files = (text: string) => [
    ...smallSystem.filter(({ path }) => path !== "etc/app.conf"),
    { path: "etc/app.conf", data: text },
    { path: "usr/lib/noise", data: noise(1_500_000, "the same") },
  ];
  await treeImage(tools, files("one=1\n"), join(folder.folder, "a.img"));
  await treeImage(tools, files("two=2\n"), join(folder.folder, "b.img"), { facts: { version: "1.2.4" } });
});
after(async () => await folder[Symbol.asyncDispose]());
const cli = async (...args: string[]): Promise<CliRun> =>
  await petrify(args, { cwd: folder.folder, env: { SOURCE_DATE_EPOCH: "1900000000" } });
const valueOf = ({ events, stdout, stderr }: CliRun): Record<string, any> => {
  const result = events.find(({ type }) => type === "result");
  assert.ok(result, stdout + stderr);
  return result["value"] as Record<string, any>;
};

test("a release goes to a folder and comes back as the same image; doing it again changes nothing", async () => {
  const pushed = valueOf(await cli("push", "a.img", "oci:store", "--channel", "beta", "--expires", "90d", "--json"));
  const { changed, reference, created, expires, channel, container, version } = pushed;
  assert.deepEqual([changed, reference, version], [true, `oci:${folder.folder}/store:1.2.3`, "1.2.3"]);
  assert.deepEqual([created, expires, channel, container], [1_900_000_000, 1_900_000_000 + 90 * 86_400, "beta", true]);
  const again = valueOf(await cli("push", "a.img", "oci:store", "--channel", "beta", "--expires", "90d", "--json"));
  assert.deepEqual([again["changed"], again["digest"], again["bytes"].sent], [false, pushed["digest"], 0]);

  const pulled = valueOf(await cli("pull", "oci:store:1.2.3", "--json"));
  assert.equal(pulled["path"], join(folder.folder, "test-1.2.3.img"));
  assert.ok((await readFile(pulled["path"])).equals(await readFile(join(folder.folder, "a.img"))));
  assert.match((await cli("pull", "oci:store:1.2.3", "-o", ".")).stderr, /^error: \S+ is a folder\nhint: Name the file/m);
  const { exitCode, stdout } = await cli("pull", `oci:store@${pushed["digest"]}`);
  assert.equal(exitCode, 0);
  assert.match(
    stdout,
    /test-1\.2\.3\.img was already test 1\.2\.3\ndigest {5}sha256:[0-9a-f]{64}\nimage .*fetched 0 B\nsignature {2}nobody was asked for/,
  );
});

test("container image and bills of materials are at the release, unless they are left out", async () => {
  await folder.write({ "made.json": JSON.stringify({ buildDefinition: {}, runDetails: {} }) });
  await cli("push", "a.img", "oci:with:v1", "--provenance", "made.json");
  const index = JSON.parse(await readFile(join(folder.folder, "with/index.json"), "utf8"));
  const types = index.manifests.map((entry: Record<string, unknown>) => entry["artifactType"]).filter(Boolean);
  assert.deepEqual(types.toSorted(), ["application/spdx+json", "application/vnd.cyclonedx+json", "application/vnd.in-toto+json"]);
  const pushed = valueOf(await cli("push", "a.img", "oci:without:v1", "--no-container", "--no-sbom", "--json"));
  const bare = JSON.parse(await readFile(join(folder.folder, "without/index.json"), "utf8"));
  assert.equal(bare.manifests.length, 1);
  assert.equal(pushed["container"], false);
  const release = JSON.parse(
    await readFile(join(folder.folder, "without/blobs", bare.manifests[0].digest.replace(":", "/")), "utf8"),
  );
  assert.equal(release.manifests.length, 1);
});

test("deltas from releases before are pushed once, small, and said to be from them", async () => {
  await cli("push", "a.img", "oci:deltas", "--no-container", "--no-sbom");
  const args = ["push", "b.img", "oci:deltas", "--no-container", "--no-sbom", "--delta-from", "auto", "--json"];
  const { deltas, bytes } = valueOf(await cli(...args));
  const [delta, ...more] = deltas;
  assert.deepEqual([delta.from, delta.is, more], ["1.2.3", "pushed", []]);
  assert.ok(delta.bytes < bytes.packed / 10, JSON.stringify({ deltas, bytes }));
  assert.deepEqual(valueOf(await cli(...args))["deltas"], [{ ...delta, is: "was-there" }]);
  const same = await cli("push", "b.img", "oci:deltas", "--delta-from", "1.2.4", "--json");
  assert.equal(same.events.at(-1)!["code"], "DELTA_NEEDLESS");
});

test("what is damaged is not pushed", async () => {
  const bytes = await readFile(join(folder.folder, "a.img"));
  await writeFile(join(folder.folder, "damaged.img"), bytes);
  await using file = await open(join(folder.folder, "damaged.img"), "r+");
  await file.write(Uint8Array.of(1), 0, 1, bytes.length - 100_000);
  const { exitCode, stderr } = await cli("push", "damaged.img", "oci:damaged");
  assert.equal(exitCode, 1);
  assert.match(stderr, /error: .*damaged\.img is damaged: .*\nhint: Build it again/);
  await assert.rejects(readFile(join(folder.folder, "damaged/index.json")));
});

test("what is signed by a push is pulled by whoever asks for that key, and by nobody who asks for another one", async () => {
  const [mine, other] = [await newSigningKey(), await newSigningKey()];
  await writeFile(join(folder.folder, "mine.key"), plainSigningKey(mine.pkcs8));
  for (const [name, { publicKey }] of Object.entries({ mine, other }))
    await writeFile(join(folder.folder, `${name}.pub`), formatPublicKey(publicKey));
  const bare = ["--no-container", "--no-sbom"];
  const pull = async (key: string): Promise<CliRun> => await cli("pull", "oci:signed:v1", "-o", "signed.img", "--key", key);
  await cli("push", "a.img", "oci:signed:v1", ...bare);
  const unsigned = await pull("mine.pub");
  assert.equal(unsigned.exitCode, 1);
  assert.match(unsigned.stderr, /is not signed\nhint:/);
  const { changed, signedBy } = valueOf(await cli("push", "a.img", "oci:signed:v1", ...bare, "--sign", "mine.key", "--json"));
  assert.deepEqual([changed, signedBy], [false, keyId(mine.publicKey, sha256)]);
  assert.match((await pull("other.pub")).stderr, /no trusted key has signed test 1\.2\.3\nhint: Name the key/);
  await assert.rejects(readFile(join(folder.folder, "signed.img")));
  assert.match((await pull("mine.pub")).stdout, new RegExp(`signature {2}by ${signedBy}`));
});

test("a pull that was stopped goes on with what it has", async () => {
  const { image } = valueOf(await cli("push", "a.img", "oci:again:v1", "--no-container", "--no-sbom", "--json"));
  const partial = join(folder.folder, `cut.img.${image.slice(0, 12)}.partial`);
  await writeFile(partial, await readFile(join(folder.folder, "a.img")));
  const { bytes } = valueOf(await cli("pull", "oci:again:v1", "-o", "cut.img", "--json"));
  assert.equal(bytes.fetched, 0);
  await assert.rejects(readFile(partial));
  await rm(join(folder.folder, "cut.img"));
});

test("wrong words are told before anything is read", async () => {
  for (const [args, message] of [
    [["push", "a.img", `oci:x@sha256:${"0".repeat(64)}`], /has the digest that it has/],
    [["pull", "oci:x"], /names no release/],
  ] as const) {
    const { exitCode, stderr } = await cli(...args);
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, message);
  }
});
