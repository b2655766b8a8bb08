/** A folder of images on an HTTP server: what it may say, where it may send on to, and that nothing is written there. */
import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { machineStore } from "../../src/agent/registry-settings.ts";
import { run } from "../../src/host/run.ts";
import { layoutStore } from "../../src/registry/layout-store.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import { selfSigned } from "../support/docker-registry.ts";
import { bytesOf, collected, describedAs, MANIFEST, putArtifact, sourceOf, testContext } from "../support/store-contract.ts";
import { testTools } from "../support/tools.ts";
import { webFolder, type WebFolderOptions } from "../support/web-folder.ts";

const BLOB = bytesOf(300_000);

/** With one artifact, tagged v1. */
async function open(options: WebFolderOptions = {}) {
  await using scope = new AsyncDisposableStack();
  const { path: folder } = scope.use(await mkdtempDisposable(join(tmpdir(), "petrify-web-")));
  const own = layoutStore(folder);
  const made = await putArtifact(own, BLOB, { tag: "v1" });
  const server = scope.use(await webFolder(folder, options));
  const context = scope.use(testContext({ credentials: async () => ({ kind: "password", user: "me", password: "secret" }) }));
  const kept = scope.move();
  return {
    ...{ folder, own, made, server, store: openStore(parseReference(server.url), context) },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

test("the index and each manifest are read once, however often somebody asks for them", async () => {
  await using at = await open();
  const { digest, mediaType, size } = at.made;
  const delta = await putArtifact(at.own, bytesOf(5), { subject: { digest, mediaType, size } });
  for (let time = 0; time < 3; time++) {
    assert.equal((await at.store.getManifest("v1")).descriptor.digest, digest);
    assert.deepEqual(
      (await at.store.referrers(digest)).map((one) => one.digest),
      [delta.digest],
    );
  }
  assert.equal(at.server.asked.length, 3, JSON.stringify(at.server.asked.map(({ url }) => url)));
});

test("a server that asks who is there is told, and another one that it sends on to is not", async () => {
  await using elsewhere = await open();
  const { url } = elsewhere.server;
  await using at = await open({
    instead: (name, { authorization }) =>
      authorization === undefined
        ? { status: 401, headers: { "www-authenticate": 'Basic realm="files"' } }
        : name.startsWith("blobs/")
          ? { status: 302, headers: { location: url + name } }
          : undefined,
  });
  assert.deepEqual(await Array.fromAsync(at.store.tags()), ["v1"]);
  assert.ok((await collected(at.store.getBlob(describedAs(BLOB)))).equals(BLOB));
  assert.ok(elsewhere.server.asked.every(({ headers }) => headers["authorization"] === undefined));
});

test("nothing is written there, and the refusal says where it could be", async () => {
  await using at = await open();
  const { bytes } = at.made;
  const refused = { code: "REGISTRY_REFUSED", message: /is only read/, hint: /oci:FOLDER/ };
  await assert.rejects(at.store.putManifest(bytes, MANIFEST, { tag: "v2" }), refused);
  await assert.rejects(at.store.putBlob(describedAs(BLOB), sourceOf(BLOB)), refused);
});

for (const [what, options, code] of [
  [
    "an index that is a page for people",
    { instead: () => ({ status: 200, body: "<h1>Index of /edge/</h1>" }) },
    "REGISTRY_INVALID",
  ],
  ["an index that does not end", { instead: () => ({ status: 200, body: " ".repeat(4 * 1024 ** 2 + 1) }) }, "REGISTRY_INVALID"],
  ["a folder that nobody may see", { instead: () => ({ status: 403 }) }, "REGISTRY_DENIED"],
  ["a server that is busy", { instead: () => ({ status: 503 }) }, "REGISTRY_UNREACHABLE"],
  [
    "a server that sends on and on",
    { instead: (name) => ({ status: 302, headers: { location: `/edge/${name}` } }) },
    "REGISTRY_INVALID",
  ],
  [
    "a place that is no URL of HTTP",
    { instead: () => ({ status: 302, headers: { location: "file:///etc/shadow" } }) },
    "REGISTRY_INVALID",
  ],
] as const satisfies readonly (readonly [string, WebFolderOptions, string])[]) {
  test(`${what} is ${code}`, async () => {
    await using at = await open(options);
    await assert.rejects(at.store.getManifest("v1"), { code });
  });
}

test("a manifest and a blob with other bytes than their digests are not taken", async () => {
  await using at = await open();
  const { digest } = at.made;
  await writeFile(join(at.folder, "blobs", digest.replace(":", "/")), Buffer.alloc(at.made.size, 0x20));
  await assert.rejects(at.store.getManifest("v1"), { code: "REGISTRY_INVALID" });
  const blob = describedAs(BLOB);
  await writeFile(join(at.folder, "blobs", blob.digest.replace(":", "/")), bytesOf(300_000, 2));
  await assert.rejects(collected(at.store.getBlob(blob)), { code: "REGISTRY_INVALID" });
});

test("by TLS it is believed whose authority is the machine's, as of a registry; and nothing is sent on to plain HTTP", async () => {
  await using plain = await open();
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-web-tls-"));
  const made = await selfSigned(await testTools(), dir.path);
  const [key, cert] = [await readFile(made.key, "utf8"), await readFile(made.certificate, "utf8")];
  let instead: WebFolderOptions["instead"];
  await using server = await webFolder(plain.folder, { tls: { key, cert }, instead: (...asked) => instead?.(...asked) });
  const settings = join(dir.path, "settings");
  await mkdir(settings);
  const asMachine = async () =>
    await machineStore(parseReference(`${server.url}:v1`), { run, proxies: {}, random: () => 0, now: () => 0, folder: settings });
  {
    using stranger = await asMachine();
    await assert.rejects(stranger.store.getManifest("v1"), { code: "REGISTRY_UNTRUSTED" });
  }
  await writeFile(join(settings, "ca.pem"), cert);
  {
    using known = await asMachine();
    assert.equal((await known.store.getManifest("v1")).descriptor.digest, plain.made.digest);
    assert.ok((await collected(known.store.getBlob(describedAs(BLOB)))).equals(BLOB));
  }
  instead = (name) => ({ status: 302, headers: { location: plain.server.url + name } });
  using sent = await asMachine();
  await assert.rejects(sent.store.getManifest("v1"), { code: "REGISTRY_INVALID", message: /from TLS to plain HTTP/ });
});
