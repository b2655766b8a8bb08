import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { newKeyPair } from "../../tests/support/signing.ts";
import { rootFs } from "../host/rootfs.ts";
import { sha256 } from "../host/sha256.ts";
import { plainSigningKey } from "../host/signing-key.ts";
import { formatPublicKey, keyId } from "../layout/public-key.ts";
import { firstKeys, revokeKey } from "../release/change-keys.ts";
import { formatKeyList } from "../release/key-list.ts";
import { decodeTrustedKeys, KEYS_FOLDER, TRUSTED_KEYS_PATH } from "../release/trusted-keys.ts";
import { addTrustedKeys, readTrust } from "./trusted-keys.ts";

const [stolen, good] = [newKeyPair().publicKey, newKeyPair().publicKey];
const set = revokeKey(firstKeys([stolen, good], sha256), keyId(stolen, sha256), 77);
const temporary = async () => await mkdtempDisposable(join(tmpdir(), "petrify-trust-"));

test("an image has the list in the form that machines read, and a file for each key that counts", async () => {
  await using folder = await temporary();
  await writeFile(join(folder.path, "keys.json"), formatKeyList(set));
  const fs = rootFs(join(folder.path, "root"));
  await fs.write(`${KEYS_FOLDER}/of-the-base.pub`, "x");
  await addTrustedKeys({ fs }, await readTrust("keys.json", folder.path));
  const at = join(fs.folder, KEYS_FOLDER);
  assert.deepEqual(decodeTrustedKeys(await readFile(join(fs.folder, TRUSTED_KEYS_PATH)), "image", sha256), set);
  assert.deepEqual((await readdir(at)).toSorted(), [`${keyId(good, sha256)}.pub`, "trusted-keys.json"].toSorted());
  assert.equal(await readFile(join(at, `${keyId(good, sha256)}.pub`), "utf8"), formatPublicKey(good));
});

test("an image without a list has none of its base either", async () => {
  await using folder = await temporary();
  const fs = rootFs(folder.path);
  await fs.write(TRUSTED_KEYS_PATH, "{}");
  await addTrustedKeys({ fs }, undefined);
  assert.equal(await fs.exists(KEYS_FOLDER), false);
});

for (const [what, text, code] of [
  ["is missing", undefined, "KEYS_MISSING"],
  ["is a private key", plainSigningKey(new Uint8Array(138)), "KEYS_INVALID"],
  ["has another key's id", formatKeyList(set).replace(set.keys[0]!.id, "0".repeat(64)), "KEYS_INVALID"],
  ["is far too large", " ".repeat(200_000), "KEYS_INVALID"],
] as const) {
  test(`a list that ${what} is refused: ${code}`, async () => {
    await using folder = await temporary();
    if (text !== undefined) await writeFile(join(folder.path, "keys.json"), text);
    await assert.rejects(readTrust("keys.json", folder.path), { code, message: /^trust: / });
  });
}
