import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import fc from "fast-check";
import { newKeyPair } from "../../tests/support/signing.ts";
import { sha256 } from "../host/sha256.ts";
import { encodeCheckedText } from "../layout/checked-text.ts";
import { encodeNumbered } from "../layout/numbered-text.ts";
import { keyId } from "../layout/public-key.ts";
import { addKey, firstKeys, revokeKey } from "../release/change-keys.ts";
import { encodeTrustedKeys, MOST_KEYS, trustedKey, trustedKeys, type TrustedKeys } from "../release/trusted-keys.ts";
import { decodeStoredTrust, openTrustStore, type TrustStore } from "./trust-store.ts";

const [old, fresh, stranger] = [newKeyPair(), newKeyPair(), newKeyPair()];
const one = firstKeys([old.publicKey], sha256);
const two = addKey(one, fresh.publicKey, sha256);
const three = revokeKey(two, keyId(old.publicKey, sha256), 1_900_000_000);
const other = trustedKeys(2, firstKeys([stranger.publicKey], sha256).keys);
/** Of a later epoch, and the stolen key counts again. */
const revived = trustedKeys(9, two.keys);
const FILES = ["trust-1", "trust-2"] as const;
const SIZE = 32 * 1024;
const stored = (set: TrustedKeys, sequence: number): Uint8Array =>
  encodeNumbered({ name: "petrify-trust", format: 1, size: SIZE }, sequence, new TextDecoder().decode(encodeTrustedKeys(set)))!;

/** A machine's two places, and boots of it. */
async function machine(image?: TrustedKeys) {
  const top = await mkdtempDisposable(join(tmpdir(), "petrify-trust-"));
  const folder = join(top.path, "agent");
  const file = join(top.path, "trusted-keys.json");
  await mkdir(folder);
  const show = async (set: TrustedKeys | undefined): Promise<void> => {
    if (set) await writeFile(file, encodeTrustedKeys(set));
  };
  await show(image);
  return {
    folder,
    file,
    /** What the image that boots next has. */
    show,
    write: async (name: string, bytes: Uint8Array | string) => await writeFile(join(folder, name), bytes),
    read: async (name: string) => await readFile(join(folder, name)),
    boot: async (): Promise<TrustStore> => await openTrustStore({ folder, image: file }, sha256),
    [Symbol.asyncDispose]: async () => await top.remove(),
  };
}
const epoch = (store: TrustStore): number | undefined => store.trusted()?.epoch;
const says = (store: TrustStore): string => store.problems.join("; ");

suite("what a machine trusts when it boots", () => {
  test("nobody, where neither image nor machine names a key: and nothing is stored", async () => {
    await using at = await machine();
    const store = await at.boot();
    assert.deepEqual([store.trusted(), store.problems], [undefined, []]);
    await assert.rejects(at.read(FILES[0]), { code: "ENOENT" });
  });

  test("the image's own keys at its first boot, and from then on whatever image boots", async () => {
    await using at = await machine(two);
    assert.deepEqual((await at.boot()).trusted(), two);
    await at.show(one);
    const store = await at.boot();
    assert.deepEqual([store.trusted(), store.problems], [two, []]);
  });

  test("the keys of an image with a later set; an older image does not bring back a revoked one", async () => {
    await using at = await machine(two);
    await at.boot();
    await at.show(three);
    assert.equal(epoch(await at.boot()), 3);
    await at.show(two);
    assert.deepEqual((await at.boot()).trusted(), three);
  });

  for (const [what, set] of [
    ["another set of the same epoch", other],
    ["a later set in which a revoked key counts again", revived],
  ] as const) {
    test(`not those of an image with ${what}, which is said`, async () => {
      await using at = await machine(set === other ? two : three);
      const before = (await at.boot()).trusted();
      await at.show(set);
      const store = await at.boot();
      assert.deepEqual(store.trusted(), before);
      assert.match(says(store), /do not follow those of this machine/);
    });
  }

  test("the image's own, in a system that keeps nothing", async () => {
    await using at = await machine(one);
    const store = await openTrustStore({ folder: undefined, image: at.file }, sha256);
    await store.keep(two);
    assert.equal(epoch(store), 2);
    await assert.rejects(at.read(FILES[0]), { code: "ENOENT" });
  });
});

suite("keys that a release brings", () => {
  test("are kept at once, in both files, which never change their size", async () => {
    await using at = await machine(one);
    const store = await at.boot();
    for (const set of [two, three]) {
      await store.keep(set);
      assert.deepEqual([store.trusted(), (await at.boot()).trusted()], [set, set]);
      for (const name of FILES) {
        assert.equal((await stat(join(at.folder, name))).size, SIZE);
        const found = decodeStoredTrust(await at.read(name), sha256);
        assert.deepEqual(found.is === "whole" && found.value, set);
      }
    }
  });

  test("change nothing when they are not newer than what counts", async () => {
    await using at = await machine(three);
    const store = await at.boot();
    for (const set of [one, two, other]) await store.keep(set);
    assert.deepEqual([store.trusted(), (await at.boot()).trusted()], [three, three]);
  });

  test("that cannot be stored do not count", async () => {
    await using at = await machine(one);
    const store = await openTrustStore({ folder: join(at.file, "no-folder"), image: at.file }, sha256);
    assert.match(says(store), /cannot be stored/);
    await assert.rejects(store.keep(two), { code: "TRUST_NOT_STORED" });
    assert.equal(epoch(store), 1);
  });

  test("fit, however many there are", async () => {
    await using at = await machine();
    const many = Array.from({ length: MOST_KEYS }, (_, i) =>
      trustedKey(newKeyPair().publicKey, sha256, { notBefore: 4_000_000_000 + i, ...(i > 0 ? { revoked: 4_000_000_000 } : {}) }),
    );
    await (await at.boot()).keep(trustedKeys(4_000_000_000, many));
    assert.equal((await at.boot()).trusted()?.keys.length, MOST_KEYS);
  });
});

suite("power that goes while keys are stored", () => {
  const cuts = [0, 1, 20, 31, 32, 40, 60, 300, 511, 512, 700, 4096, SIZE];
  for (const [file, name] of FILES.entries()) {
    test(`leaves the old keys or the new ones, when ${name} is being written`, async () => {
      for (const cut of cuts) {
        await using at = await machine(one);
        await at.write(FILES[0], file === 0 ? torn(stored(one, 1), stored(two, 3), cut) : stored(two, 3));
        await at.write(FILES[1], file === 1 ? torn(stored(one, 2), stored(two, 4), cut) : stored(one, 2));
        const found = epoch(await at.boot());
        assert.ok(found === 2 || (found === 1 && file === 0 && cut < 1000), `${cut}: ${found}`);
        const again = await at.boot();
        assert.deepEqual([epoch(again), again.problems], [found, []], `mended: ${cut}`);
      }
    });
  }

  test("between the two files is made good at the next boot: damage to either of them does not bring back what counted before", async () => {
    for (const name of FILES) {
      await using at = await machine(one);
      await at.write(FILES[0], stored(three, 3));
      await at.write(FILES[1], stored(two, 2));
      await at.boot();
      await at.write(name, "x");
      assert.equal(epoch(await at.boot()), 3);
    }
  });

  test("at the very first time leaves the image's own", async () => {
    for (const cut of cuts) {
      await using at = await machine(one);
      await at.write(FILES[0], stored(one, 1).subarray(0, cut));
      assert.equal(epoch(await at.boot()), 1);
      assert.deepEqual((await at.boot()).problems, []);
    }
  });
  const torn = (was: Uint8Array, will: Uint8Array, cut: number): Uint8Array =>
    Buffer.concat([will.subarray(0, cut), was.subarray(cut)]);
});

suite("damage", () => {
  test("to one file is said, does not bring back what counted before, and is mended", async () => {
    for (const name of FILES) {
      await using at = await machine(one);
      await (await at.boot()).keep(three);
      const bytes = await at.read(name);
      bytes[100]! ^= 1;
      await at.write(name, bytes);
      const store = await at.boot();
      assert.equal(epoch(store), 3);
      assert.match(says(store), /a copy .* is damaged: the other one is used/);
      assert.deepEqual((await at.boot()).problems, []);
    }
  });

  test("to both is said, and the image's own keys count", async () => {
    await using at = await machine(one);
    for (const name of FILES) await at.write(name, "x");
    const store = await at.boot();
    assert.equal(epoch(store), 1);
    assert.match(says(store), /cannot be read .*: those of the image count/);
  });

  test("to both, under an image without keys: no release is taken, and not everybody's", async () => {
    await using at = await machine();
    for (const name of FILES) await at.write(name, "x");
    const store = await at.boot();
    assert.throws(() => store.trusted(), { code: "TRUST_UNKNOWN" });
    await assert.rejects(store.keep(one), { code: "TRUST_UNKNOWN" });
  });

  test("to the image's own list is said: what was stored counts, and without that no release is taken", async () => {
    await using at = await machine(two);
    await at.boot();
    await writeFile(at.file, "{}");
    const store = await at.boot();
    assert.equal(epoch(store), 2);
    assert.match(says(store), /of the image cannot be read/);
    const alone = await openTrustStore({ folder: undefined, image: at.file }, sha256);
    assert.throws(() => alone.trusted(), { code: "TRUST_UNKNOWN" });
  });

  test("of any byte is noticed, and whatever bytes there are, decoding ends with an answer", () => {
    const bytes = stored(two, 7);
    const used = bytes.lastIndexOf(10) + 1;
    for (let at = 0; at < used; at++) {
      const changed = bytes.with(at, bytes[at]! ^ (1 << (at % 8)));
      assert.equal(decodeStoredTrust(changed, sha256).is, "unreadable", `byte ${at}`);
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), (any) => void decodeStoredTrust(any, sha256)));
    fc.assert(
      fc.property(fc.string(), (text) => {
        const found = decodeStoredTrust(encodeCheckedText("petrify-trust 1", `1 3\n${text.replaceAll(/[^ -~]/g, "")}`), sha256);
        assert.equal(found.is, "unreadable");
      }),
    );
  });
});

test("what newer software has stored is left alone, and no release is taken meanwhile", async () => {
  await using at = await machine(two);
  await at.boot();
  const newer = new Uint8Array(SIZE);
  newer.set(encodeCheckedText("petrify-trust 2", "2 9\n{}\n"));
  await at.write(FILES[1], newer);
  const [first] = [await at.read(FILES[0])];
  const store = await at.boot();
  assert.match(says(store), /newer software/);
  assert.throws(() => store.trusted(), { code: "TRUST_UNKNOWN" });
  await assert.rejects(store.keep(three), { code: "TRUST_UNKNOWN" });
  assert.deepEqual([await at.read(FILES[0]), await at.read(FILES[1])], [first, Buffer.from(newer)]);
});
