/** Releases in a registry that others wrote, and what a client that others wrote makes of them. */
import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { petrify } from "../support/cli.ts";
import { debianRegistry, PASSWORD, USER } from "../support/debian-registry.ts";
import { noise } from "../support/small-image.ts";
import { smallSystem } from "../support/small-system.ts";
import { testTools } from "../support/tools.ts";
import { treeImage } from "../support/tree-image.ts";

type Json = Record<string, any>;

test("a release goes to Debian's registry by TLS and password; skopeo takes the system and the whole of it from there", async () => {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await mkdtempDisposable(join(tmpdir(), "petrify-push-"))).path;
  const at = (name: string): string => join(folder, name);
  await mkdir(at("registry"));
  const { host, ca } = cleanup.use(await debianRegistry(at("registry")));
  const [tools, judges] = [await testTools(), await testTools("containers")];
  const system = [...smallSystem, { path: "usr/lib/noise", data: noise(6_000_000, "the same") }];
  await treeImage(tools, system, at("a.img"));
  await treeImage(tools, [...system, { path: "etc/more", data: "more\n" }], at("b.img"), { facts: { version: "1.3.0" } });
  await writeFile(at("ca.crt"), ca);
  const auth = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
  await writeFile(at("auth.json"), JSON.stringify({ auths: { [host]: { auth } } }));
  const cli = async (...args: string[]): Promise<Json> => {
    const env = { NODE_EXTRA_CA_CERTS: at("ca.crt"), REGISTRY_AUTH_FILE: at("auth.json") };
    const { events, stderr } = await petrify([...args, "--json"], { cwd: folder, env, limitMs: 200_000 });
    const result = events.at(-1) as Json | undefined;
    assert.equal(result?.["type"], "result", JSON.stringify(result) + stderr);
    return result["value"];
  };
  const skopeo = async (...argv: string[]): Promise<string> => {
    const options = { binds: [{ source: folder, writable: true }], network: true, timeoutMs: 120_000 };
    return (await judges.run(["skopeo", "--insecure-policy", ...argv], options)).stdout;
  };
  const trust = (side: string): string[] => [`--${side}creds`, `${USER}:${PASSWORD}`, `--${side}cert-dir`, folder];
  const blob = async (layout: string, digest: string): Promise<Buffer> =>
    await readFile(join(folder, layout, "blobs", digest.replace(":", "/")));
  const reference = `${host}/team/os`;

  await cli("push", "a.img", reference);
  const second = await cli("push", "b.img", reference, "--delta-from", "auto");
  assert.deepEqual([second["deltas"][0].from, second["deltas"][0].is], ["1.2.3", "pushed"]);
  const again = await cli("push", "b.img", reference, "--delta-from", "auto");
  assert.deepEqual([again["changed"], again["bytes"].sent, again["deltas"][0].is], [false, 0, "was-there"]);
  const pulled = await cli("pull", `${reference}:1.3.0`, "-o", "pulled.img");
  assert.ok((await readFile(pulled["path"])).equals(await readFile(at("b.img"))));

  // The system, found by its platform.
  const source = `docker://${reference}:1.3.0`;
  await skopeo("copy", "--override-os", "linux", "--override-arch", "amd64", ...trust("src-"), source, `oci:${at("plain")}:v`);
  const { manifests } = JSON.parse(await readFile(at("plain/index.json"), "utf8")) as Json;
  const manifest = JSON.parse((await blob("plain", manifests[0].digest)).toString()) as Json;
  const tar = gunzipSync(await blob("plain", manifest["layers"][0].digest));
  assert.ok(tar.includes("etc/more"));
  const config = JSON.parse(await skopeo("inspect", "--config", ...trust(""), source)) as Json;
  assert.equal(config["config"].Labels["org.opencontainers.image.version"], "1.3.0");
  const index = JSON.parse(await skopeo("inspect", "--raw", ...trust(""), source)) as Json;
  assert.equal(index["manifests"][0].digest, manifests[0].digest);

  // All of it: what is copied so is the same release.
  await skopeo("copy", "--all", "--preserve-digests", ...trust("src-"), source, `oci:${at("all")}:v`);
  const copied = await cli("pull", "oci:all:v", "-o", "copied.img");
  assert.equal(copied["digest"], second["digest"]);
  assert.ok((await readFile(copied["path"])).equals(await readFile(at("b.img"))));
});
