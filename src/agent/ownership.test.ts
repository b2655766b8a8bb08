import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { encodeTrustStatement, type TrustStatement } from "../pki/trust-statement.ts";
import { fakeAuthority, fakeMachine } from "./api/testing.ts";
import { openOwnership, type SignedStatement } from "./ownership.ts";

type Fleet = Awaited<ReturnType<typeof fakeAuthority>>;
const ours = await fakeAuthority();
const next = await fakeAuthority();
const machine = await fakeMachine();
const other = await fakeMachine();
const person = await ours.person();
const BOTH = `${ours.certificate}${next.certificate}`;

function signed(statement: TrustStatement, by: Fleet = ours): SignedStatement {
  const text = encodeTrustStatement(statement);
  return { statement: text, signature: Buffer.from(by.authority.key.sign(new TextEncoder().encode(text))).toString("base64") };
}

async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-ownership-"));
  const at = (name: string): string => join(folder.path, name);
  const files = { "ca.pem": ours.certificate, "node.pem": ours.vouchFor(machine.key), epoch: "1\n" };
  for (const [name, text] of Object.entries(files)) await writeFile(at(name), text);
  const open = (fingerprint: string | undefined = machine.fingerprint) =>
    openOwnership({ fingerprint: () => fingerprint, log: () => {}, folder: folder.path });
  return {
    ...{ files, open, ...open() },
    at,
    has: async (name: string) => await readFile(at(name), "utf8").catch(() => undefined),
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}

suite("a machine's certificate", () => {
  test("is replaced by another one for its key, once", async () => {
    await using one = await desk();
    const certificate = ours.vouchFor(machine.key);
    assert.deepEqual(await one.replaceCertificate(certificate), { changed: true });
    assert.equal(await one.has("node.pem"), certificate);
    assert.deepEqual(await one.replaceCertificate(certificate), { changed: false });
  });

  for (const [name, certificate] of [
    ["another machine's", ours.vouchFor(other.key)],
    ["one of an authority that is not accepted", next.vouchFor(machine.key)],
    ["a person's", person.certificate],
    ["nothing", ""],
  ] as const) {
    test(`is not replaced by ${name}`, async () => {
      await using one = await desk();
      await assert.rejects(one.replaceCertificate(certificate), { code: "NODE_CERTIFICATE_INVALID" });
      assert.equal(await one.has("node.pem"), one.files["node.pem"]);
    });
  }
});

suite("whose callers a machine lets in", () => {
  test("is what an authority says that it accepts: both, then the next one alone", async () => {
    await using one = await desk();
    assert.deepEqual(await one.replaceTrust(signed({ made: 100, authorities: BOTH, epoch: 1 })), { changed: true });
    assert.equal(await one.has("ca.pem"), BOTH);
    assert.deepEqual(await one.replaceCertificate(next.vouchFor(machine.key)), { changed: true });
    assert.deepEqual(await one.replaceTrust(signed({ made: 200, authorities: next.certificate, epoch: 1 }, next)), {
      changed: true,
    });
    assert.equal(await one.has("ca.pem"), next.certificate);
    await assert.rejects(one.replaceTrust(signed({ made: 300, authorities: BOTH, epoch: 1 })), { code: "TRUST_UNSIGNED" });
  });

  test("changes once, however often that is said", async () => {
    await using one = await desk();
    assert.deepEqual(await one.replaceTrust(signed({ made: 100, authorities: ours.certificate, epoch: 2 })), { changed: true });
    assert.equal(await one.has("epoch"), "2\n");
    assert.deepEqual(await one.replaceTrust(signed({ made: 101, authorities: ours.certificate, epoch: 2 })), { changed: false });
  });

  test("is never what an older statement says", async () => {
    await using one = await desk();
    await one.replaceTrust(signed({ made: 200, authorities: ours.certificate, epoch: 2 }));
    for (const old of [
      { made: 100, authorities: BOTH, epoch: 2 },
      { made: 300, authorities: ours.certificate, epoch: 1 },
    ]) {
      await assert.rejects(one.replaceTrust(signed(old)), { code: "TRUST_OLDER" });
    }
    assert.deepEqual([await one.has("ca.pem"), await one.has("epoch")], [ours.certificate, "2\n"]);
  });

  test("is not what somebody says whom it does not accept, or who has changed what was signed", async () => {
    await using one = await desk();
    const statement = { made: 100, authorities: BOTH, epoch: 1 };
    await assert.rejects(one.replaceTrust(signed(statement, next)), { code: "TRUST_UNSIGNED" });
    const { signature } = signed(statement);
    const changed = encodeTrustStatement({ ...statement, epoch: 2 });
    await assert.rejects(one.replaceTrust({ statement: changed, signature }), { code: "TRUST_UNSIGNED" });
    await assert.rejects(one.replaceTrust({ statement: "x", signature }), { code: "TRUST_INVALID" });
    for (const authorities of ["", machine.certificate])
      await assert.rejects(one.replaceTrust(signed({ ...statement, authorities })), { code: "API_AUTHORITY_INVALID" });
    assert.deepEqual([await one.has("ca.pem"), await one.has("trust")], [ours.certificate, undefined]);
  });

  test("is put right after a power cut by the same statement, wherever that was", async () => {
    const statement = { made: 200, authorities: BOTH, epoch: 2 };
    await using whole = await desk();
    await whole.replaceTrust(signed(statement));
    for (const done of [["epoch"], ["epoch", "ca.pem"]]) {
      await using one = await desk();
      for (const name of done) await writeFile(one.at(name), (await whole.has(name))!);
      assert.deepEqual(await one.open().replaceTrust(signed(statement)), { changed: true });
      for (const name of ["epoch", "ca.pem", "trust"]) assert.equal(await one.has(name), await whole.has(name), name);
    }
  });
});
