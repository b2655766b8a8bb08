import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { mkdir, mkdtempDisposable, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { newNodeKey, NODE_KEY_FILE, nodeKeyOn } from "./node-key.ts";
import { run } from "./run.ts";

test("a machine's key is made once, for root only, and is the same from then on", async () => {
  await using oem = await mkdtempDisposable(join(tmpdir(), "petrify-key-"));
  const made = await nodeKeyOn(oem.path);
  assert.match(made.fingerprint, /^SHA256:[A-Za-z0-9+/]{43}$/);
  assert.deepEqual(await nodeKeyOn(oem.path), made);
  const { mode } = await stat(join(oem.path, NODE_KEY_FILE));
  assert.equal(mode & 0o777, 0o600);
  assert.equal((await stat(join(oem.path, "identity"))).mode & 0o777, 0o700);
  assert.notEqual((await newNodeKey()).fingerprint, made.fingerprint);
});

test("it is ECDSA on P-256, and its fingerprint is what OpenSSL makes of the public key", async () => {
  const { pem, fingerprint } = await newNodeKey();
  const key = createPrivateKey(pem);
  assert.deepEqual([key.asymmetricKeyType, key.asymmetricKeyDetails], ["ec", { namedCurve: "prime256v1" }]);
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-key-"));
  const [der, digest] = [join(folder.path, "der"), join(folder.path, "digest")];
  await writeFile(der, createPublicKey(key).export({ type: "spki", format: "der" }));
  await run(["openssl", "dgst", "-sha256", "-binary", "-out", digest, der]);
  assert.equal(fingerprint, `SHA256:${(await readFile(digest)).toString("base64").replace("=", "")}`);
});

test("a key that cannot be read is never replaced", async () => {
  await using oem = await mkdtempDisposable(join(tmpdir(), "petrify-key-"));
  await mkdir(join(oem.path, "identity"));
  await writeFile(join(oem.path, NODE_KEY_FILE), "half a key");
  await assert.rejects(nodeKeyOn(oem.path));
  assert.equal(await readFile(join(oem.path, NODE_KEY_FILE), "utf8"), "half a key");
});
