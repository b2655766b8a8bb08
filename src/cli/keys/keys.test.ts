import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { suite, test } from "node:test";
import { sha256 } from "../../host/sha256.ts";
import { openSigningKey } from "../../host/signing-key.ts";
import { formatPublicKey, keyId, parsePublicKey } from "../../layout/public-key.ts";
import { parseKeyList } from "../../release/key-list.ts";
import { nextTrust, type TrustedKeys } from "../../release/trusted-keys.ts";
import { runForTest, type Ran } from "../testing.ts";

const PASSWORD = "correct horse";
const LIST = "trusted-keys.json";

async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-keys-"));
  const cwd = folder.path;
  const read = async (name: string): Promise<string> => await readFile(join(cwd, name), "utf8");
  return {
    cwd,
    read,
    list: async () => parseKeyList(await read(LIST), LIST, sha256),
    id: async (name: string) => keyId(parsePublicKey(await read(`${name}.pub`), name), sha256),
    files: async () => (await readdir(cwd)).toSorted(),
    write: async (name: string, text: string) => await writeFile(join(cwd, name), text),
    /** Runs `petrify keys …`, which has to succeed unless `code` says how it fails. */
    keys: async (line: string, { code, input }: { code?: string; input?: NodeJS.ReadableStream } = {}): Promise<Ran> => {
      const args = ["keys", ...line.split(" "), ...(code ? ["--json"] : [])];
      const env: Record<string, string> = input ? {} : { PETRIFY_KEY_PASSWORD: PASSWORD };
      const ran = await runForTest(args, { cwd, env, ...(input ? { input } : {}) });
      if (code) assert.match(ran.out, new RegExp(`"code":"${code}"`), line);
      else assert.equal(ran.exitCode, 0, `${line}: ${ran.err}`);
      return ran;
    },
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}
/** A person who types these lines. */
function typing(...lines: string[]): NodeJS.ReadableStream {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input });
  input.on("resume", () => void setImmediate(() => lines.length > 0 && input.write(`${lines.shift()}\r`)));
  return input;
}

/** With pairs of these names; the first two are in the list. */
async function withList() {
  const at = await desk();
  for (const name of ["edge", "spare", "next"]) await at.keys(`generate ${name} --no-password`);
  await at.keys("init edge.pub spare.pub");
  return at;
}

suite("a key pair", () => {
  test("is a private key that nobody else may read, which its password opens, and the public half of it", async () => {
    await using at = await desk();
    const { out } = await at.keys("generate edge");
    assert.deepEqual(await at.files(), ["edge.key", "edge.pub"]);
    assert.deepEqual(
      [(await stat(join(at.cwd, "edge.key"))).mode & 0o777, (await stat(join(at.cwd, "edge.pub"))).mode & 0o777],
      [0o600, 0o644],
    );
    const key = await openSigningKey(await at.read("edge.key"), "edge.key", async () => await Promise.resolve(PASSWORD));
    assert.equal(formatPublicKey(key.publicKey), await at.read("edge.pub"));
    assert.match(out, new RegExp(`^key  ${await at.id("edge")}$`, "m"));
    await assert.rejects(
      openSigningKey(await at.read("edge.key"), "x", async () => await Promise.resolve("wrong")),
      { code: "KEY_PASSWORD_WRONG" },
    );
  });

  test("has the password that is typed twice, none of which is shown", async () => {
    await using at = await desk();
    const { err, out } = await at.keys("generate edge", { input: typing("typed", "typed") });
    await openSigningKey(await at.read("edge.key"), "edge.key", async () => await Promise.resolve("typed"));
    assert.doesNotMatch(err + out, /typed/);
    await using other = await desk();
    const ran = await runForTest(["keys", "generate", "edge"], { cwd: other.cwd, input: typing("one", "another") });
    assert.match(ran.err, /the two passwords are not the same/);
    assert.deepEqual(await other.files(), []);
  });

  test("has no password only when that is said", async () => {
    await using at = await desk();
    const nobody = await runForTest(["keys", "generate", "edge", "--json"], { cwd: at.cwd, input: new PassThrough() });
    assert.match(nobody.out, /KEY_PASSWORD_NEEDED/);
    assert.deepEqual(await at.files(), []);
    await at.keys("generate edge --no-password");
    assert.match(await at.read("edge.key"), /^-----BEGIN PRIVATE KEY-----/);
    assert.equal((await stat(join(at.cwd, "edge.key"))).mode & 0o777, 0o600);
  });

  for (const name of ["edge.key", "edge.pub"]) {
    test(`does not replace ${name}`, async () => {
      await using at = await desk();
      await at.write(name, "mine");
      await at.keys("generate edge", { code: "KEY_EXISTS" });
      assert.deepEqual([await at.files(), await at.read(name)], [[name], "mine"]);
    });
  }

  test("is shown by its id, the private one after its password", async () => {
    await using at = await desk();
    await at.keys("generate edge");
    for (const name of ["edge.pub", "edge.key"]) {
      const { out, err } = await at.keys(`show ${name}`);
      assert.deepEqual([out, err], [await at.read("edge.pub"), `key ${await at.id("edge")}\n`]);
    }
    await at.keys("show nothing.pub", { code: "KEY_MISSING" });
    await at.write("x", "x");
    await at.keys("show x", { code: "KEY_INVALID" });
  });
});

suite("the list of trusted keys", () => {
  const follows = (before: TrustedKeys, next: TrustedKeys, signer: string): string => {
    const answer = nextTrust(before, { keys: next, signers: [signer], created: 0 });
    return answer.is === "refused" ? answer.refusal.code : answer.is;
  };

  test("begins with epoch 1, and every change of it is one that machines take", async () => {
    await using at = await withList();
    const [edge, spare, next] = [await at.id("edge"), await at.id("spare"), await at.id("next")];
    const lists = [await at.list()];
    for (const line of ["rotate next.pub --from 2027-01-31", "revoke edge.pub", `remove ${spare.slice(0, 8)}`]) {
      await at.keys(line);
      lists.push(await at.list());
    }
    assert.deepEqual(
      lists.map(({ epoch }) => epoch),
      [1, 2, 3, 4],
    );
    assert.deepEqual(
      lists.map((one, index) => (index === 0 ? "" : follows(lists[index - 1]!, one, spare))),
      ["", "next", "next", "next"],
    );
    const last = lists.at(-1)!;
    assert.deepEqual(
      last.keys.map(({ id }) => id),
      [edge, next].toSorted(),
    );
    assert.equal(last.keys.find(({ id }) => id === next)?.notBefore, Date.parse("2027-01-31") / 1000);
    assert.ok(last.keys.find(({ id }) => id === edge)!.revoked! > 1_700_000_000);
    const { out } = await at.keys("list");
    assert.match(out, /^epoch 4\n/);
    assert.match(out, new RegExp(`^${edge}  REVOKED on 20\\d\\d-`, "m"));
    assert.match(out, new RegExp(`^${next}  trusted for releases from 2027-01-31 on$`, "m"));
  });

  test("has no private key in it", async () => {
    await using at = await withList();
    await at.keys("rotate next.key", { code: "KEY_INVALID" });
    assert.doesNotMatch(await at.read(LIST), /PRIVATE/);
  });

  for (const [line, code] of [
    ["init next.pub", "KEYS_EXIST"],
    ["init edge.pub edge.pub --list other.json", "KEYS_INVALID"],
    ["revoke next.pub", "KEY_UNKNOWN"],
    ["revoke 0123456789", "KEY_UNKNOWN"],
    ["revoke a", "KEY_UNKNOWN"],
    ["rotate next.pub --from 2027-02-31", "USAGE"],
    ["rotate next.pub --list none.json", "KEYS_MISSING"],
  ] as const) {
    test(`is left as it is by keys ${line}: ${code}`, async () => {
      await using at = await withList();
      const before = [await at.read(LIST), await at.files()];
      await at.keys(line, { code });
      assert.deepEqual([await at.read(LIST), await at.files()], before);
    });
  }

  test("keeps a key that counts, and a revoked key for good", async () => {
    await using at = await withList();
    await at.keys("revoke edge.pub");
    const before = await at.read(LIST);
    await at.keys("revoke spare.pub", { code: "KEYS_NONE_LEFT" });
    await at.keys("remove spare.pub", { code: "KEYS_NONE_LEFT" });
    await at.keys("remove edge.pub", { code: "KEY_REVOKED" });
    await at.keys("rotate edge.pub", { code: "KEY_REVOKED" });
    assert.equal(await at.read(LIST), before);
  });

  test("does not change when there is nothing to change", async () => {
    await using at = await withList();
    const before = await at.read(LIST);
    const { out } = await at.keys("rotate spare.pub");
    assert.match(out, /is as it was/);
    assert.equal(await at.read(LIST), before);
  });
});
