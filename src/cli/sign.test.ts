import assert from "node:assert/strict";
import { mkdtempDisposable, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { releaseImage, type ReleaseImage } from "../../tests/support/release-images.ts";
import { testTools } from "../../tests/support/tools.ts";
import { hex } from "../core/digest.ts";
import { sha256 } from "../host/sha256.ts";
import { secondsNow } from "../host/wall-clock.ts";
import { zstdQuickPack } from "../host/zstd.ts";
import { blobPath } from "../layout/oci-image.ts";
import { layoutStore } from "../registry/layout-store.ts";
import { openRelease, readSegments } from "../registry/open-release.ts";
import { pushRelease } from "../registry/push-release.ts";
import { parseKeyList } from "../release/key-list.ts";
import { packedSegments } from "../release/segments.ts";
import { readText } from "../host/files.ts";
import { runForTest, type Ran } from "./testing.ts";

let image: ReleaseImage;
/** Packed once: it is the same image every time. */
const packed = new Map<string, Uint8Array>();
const pack = async (bytes: Uint8Array): Promise<Uint8Array> => {
  const digest = hex(sha256.digest(bytes));
  const blob = packed.get(digest) ?? zstdQuickPack(bytes);
  packed.set(digest, blob);
  return await Promise.resolve(blob);
};
before(async () => {
  image = await releaseImage(await testTools(), "1.5.0");
});

/** A folder with keys, a list of two of them, and a release that nobody has signed. */
async function desk({ expires }: { readonly expires?: number } = {}) {
  const top = await mkdtempDisposable(join(tmpdir(), "petrify-sign-"));
  const cwd = top.path;
  const petrify = async (line: string): Promise<Ran> => await runForTest(line.split(" "), { cwd });
  for (const name of ["edge", "spare", "other"]) await petrify(`keys generate ${name} --no-password`);
  await petrify("keys init edge.pub spare.pub");
  const store = layoutStore(join(cwd, "store"));
  const keys = parseKeyList(await readText(join(cwd, "trusted-keys.json")), "list", sha256);
  const facts = {
    created: secondsNow() - 100,
    keys,
    ...(expires === undefined ? {} : { expires: () => secondsNow() + expires }),
  };
  const pushed = await pushRelease({ store, tag: "1.5.0", image, found: image.found, facts, pack });
  await pushed.publish();
  return { cwd, store, petrify, [Symbol.asyncDispose]: async () => await top.remove() };
}
const valueOf = ({ out, err }: Ran): Record<string, unknown> => {
  const line = out.split("\n").findLast((text) => text.includes('"type":"result"'));
  assert.ok(line, out + err);
  return (JSON.parse(line) as { value: Record<string, unknown> }).value;
};

test("a release is signed once by each key, and verified by a key or by the list", async () => {
  await using at = await desk();
  const unsigned = await at.petrify("verify oci:store:1.5.0 --trust trusted-keys.json");
  assert.deepEqual([unsigned.exitCode, /is NOT TAKEN\n[^]*not signed \(RELEASE_UNSIGNED\)/.test(unsigned.out)], [1, true]);
  const whole = await at.petrify("verify oci:store:1.5.0");
  assert.deepEqual([whole.exitCode, /is complete\n[^]*nobody was asked for/.test(whole.out)], [0, true]);

  for (const changed of [true, false]) {
    const value = valueOf(await at.petrify("sign oci:store:1.5.0 --key edge.key --json"));
    assert.equal(value["changed"], changed);
  }
  for (const [how, exitCode] of [
    ["--key edge.pub", 0],
    ["--key other.pub edge.pub", 0],
    ["--trust trusted-keys.json", 0],
    ["--key spare.pub", 1],
    ["--key other.pub", 1],
  ] as const) {
    const ran = await at.petrify(`verify oci:store:1.5.0 ${how} --json`);
    const { taken, complete } = valueOf(ran);
    assert.deepEqual([ran.exitCode, taken, complete], [exitCode, exitCode === 0, true], how);
  }
  const { out } = await at.petrify("verify oci:store:1.5.0 --trust trusted-keys.json");
  assert.match(
    out,
    /^test 1\.5\.0 is good\ndigest {5}sha256:[0-9a-f]{64}\n[^]*brings the list of epoch 1\nsignature {2}by [0-9a-f]{64}$/m,
  );

  await at.petrify("keys revoke edge.pub");
  const after = valueOf(await at.petrify("verify oci:store:1.5.0 --trust trusted-keys.json --json"));
  assert.equal((after["refusal"] as { code: string }).code, "KEY_REVOKED");
});

test("a release that has expired is not good, unless told; one that lacks a segment is not complete", async () => {
  await using at = await desk({ expires: -10 });
  await at.petrify("sign oci:store:1.5.0 --key edge.key");
  const ran = await at.petrify("verify oci:store:1.5.0 --key edge.pub");
  assert.deepEqual([ran.exitCode, /RELEASE_EXPIRED/.test(ran.out)], [1, true]);
  assert.equal((await at.petrify("verify oci:store:1.5.0 --key edge.pub --expired")).exitCode, 0);
  const found = await openRelease(at.store, "1.5.0", { architecture: "x86-64" });
  const [segment] = packedSegments(await readSegments(at.store, found));
  await rm(join(at.cwd, "store", blobPath(segment!.digest)));
  const lacking = await at.petrify("verify oci:store:1.5.0 --key edge.pub --expired");
  assert.deepEqual([lacking.exitCode, /NOT COMPLETE[^]*1 segments/.test(lacking.out)], [1, true]);
});

test("what makes no sense is said", async () => {
  await using at = await desk();
  for (const [line, exitCode, words] of [
    ["verify oci:store --key edge.pub", 2, /names no release/],
    ["verify oci:store:1.5.0 --key edge.pub --trust trusted-keys.json", 2, /use one/],
    ["verify oci:store:1.5.0 --key edge.key", 1, /is a private key/],
    ["verify edge.pub --key edge.pub", 2, /are for releases/],
    ["verify oci:store:9", 1, /not there/],
    ["sign oci:store:1.5.0", 2, /--key/],
    ["sign oci:store:1.5.0 --key edge.pub", 1, /is not a private key/],
    ["sign oci:store --key edge.key", 2, /names no release/],
  ] as const) {
    const ran = await at.petrify(line);
    assert.equal(ran.exitCode, exitCode, `${line}: ${ran.err}`);
    assert.match(ran.err, words, line);
  }
});
