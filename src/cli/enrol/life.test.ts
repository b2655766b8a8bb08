import assert from "node:assert/strict";
import { createPublicKey, X509Certificate } from "node:crypto";
import { mkdir, mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openApi } from "../../agent/api/open-api.ts";
import { fakeMachine, fakeStatus } from "../../agent/api/testing.ts";
import { openOwnership, REPLACE_CERTIFICATE, REPLACE_TRUST, type SignedStatement } from "../../agent/ownership.ts";
import { isRecoveryToken } from "../../host/recovery-token.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { runForTest, type Ran } from "../testing.ts";

const HOST = "127.0.0.1";
const DAY = 86_400;
/** By files that `petrify gen certificate alice` has written. */
const ALICE = ["--ca", "petrify-secrets/ca.pem", "--certificate", "alice.pem", "--key", "alice.key"];

/**
 * A workstation with secrets and a context, and a machine that they own; both sides' files are real, and so is TLS.
 *
 * @param behind seconds by which the machine's clock is behind: TLS has one clock in a test, and it is the machine's
 */
async function desk(behind = 0) {
  const upgrades: unknown[] = [];
  const now = (): number => secondsNow() + behind;
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-life-"));
  const cwd = folder.path;
  const at = (name: string): string => join(cwd, name);
  const read = async (name: string): Promise<string> => await readFile(at(name), "utf8");
  const petrify = async (...args: string[]): Promise<Ran> => await runForTest(args, { cwd, now, env: { USER: "jo" } });
  const done = async (...args: string[]): Promise<Ran> => {
    const ran = await petrify(...args);
    assert.equal(ran.exitCode, 0, `${args.join(" ")}: ${ran.out}${ran.err}`);
    return ran;
  };
  const { key, fingerprint, certificate: ownCertificate } = await fakeMachine();
  await writeFile(at("machine.pub"), createPublicKey(key).export({ type: "spki", format: "pem" }));
  await done("gen", "secrets");
  await mkdir(at("api"));
  await writeFile(at("api/ca.pem"), await read("petrify-secrets/ca.pem"));
  await writeFile(at("api/epoch"), "1\n");
  let server: Awaited<ReturnType<typeof openApi>> | undefined;
  let outdated = 0;
  const ownership = openOwnership({ fingerprint: () => fingerprint, log: () => {}, folder: at("api") });
  const log: string[] = [];
  /** Of the API's program, once what it was started with is another. */
  const restart = async (): Promise<void> => {
    const port = server?.port ?? 0;
    await server?.[Symbol.asyncDispose]();
    outdated = 0;
    server = await openApi({
      ...{ at: { host: HOST, port }, key, now: secondsNow, log: (line) => void log.push(line) },
      certificate: await read("api/node.pem"),
      authorities: await read("api/ca.pem"),
      epoch: Number(await read("api/epoch")),
      answers: {
        version: "1.2.3",
        look: async function* () {},
        status: async () => await Promise.resolve(fakeStatus),
        operation: async function* () {},
      },
      outdated: () => void outdated++,
      // The agent, as far as it goes.
      ask: async function* (method, url, _signal, body) {
        const call = `${method} ${url}`;
        if (call === REPLACE_CERTIFICATE) yield await ownership.replaceCertificate((body as { certificate: string }).certificate);
        else if (call === REPLACE_TRUST) yield await ownership.replaceTrust(body as SignedStatement);
        else if (call === "POST /upgrade") yield { ended: { id: "ab", outcome: "succeeded", number: upgrades.push(body) } };
        else throw new Error(call);
      },
    });
  };
  return {
    ...{ cwd, at, read, petrify, done, restart, ownCertificate, log, upgrades },
    outdated: () => outdated,
    address: () => `${HOST}:${server!.port}`,
    /** With the certificate that was made so many days ago. */
    begin: async (days: number, { pinned }: { readonly pinned: boolean }): Promise<void> => {
      const args = [
        "gen",
        "node-certificate",
        "edge-7",
        "--public-key",
        "machine.pub",
        "--address",
        HOST,
        "--output",
        "api/node.pem",
      ];
      await runForTest(args, { cwd, now: () => now() - days * DAY });
      await restart();
      await done("context", "add", "edge", "--secrets", "petrify-secrets");
      const address = ["--address", `${HOST}:${server!.port}`];
      if (pinned) await done("context", "pin", "edge-7", ...address, "--key", fingerprint);
      else await done("context", "node", "add", "edge-7", ...address);
    },
    daysLeft: async (): Promise<number> =>
      Math.round((new X509Certificate(await read("api/node.pem")).validToDate.getTime() / 1000 - now()) / DAY),
    [Symbol.asyncDispose]: async () => {
      await server?.[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

suite("the certificate of a machine", () => {
  test("is made anew by any admin's call once two thirds of its time are over, and then shown", async () => {
    await using at = await desk();
    await at.begin(250, { pinned: false });
    const { out, err } = await at.done("-n", "edge-7", "version");
    assert.match(out, /edge 1\.4\.0/);
    assert.match(err, /^edge-7: it has a new certificate, until \d{4}-/m);
    assert.deepEqual([await at.daysLeft(), at.outdated()], [365, 1]);
    await at.restart();
    assert.equal((await at.done("-n", "edge-7", "version")).err, "");
    assert.match(new X509Certificate(await at.read("api/node.pem")).subjectAltName!, /^DNS:edge-7, IP Address:127\.0\.0\.1$/);
  });

  test("is left alone before", async () => {
    await using at = await desk();
    await at.begin(240, { pinned: false });
    assert.equal((await at.done("-n", "edge-7", "version")).err, "");
    assert.equal(await at.daysLeft(), 125);
  });

  test("is no obstacle where it is over and the machine's key was pinned: the call works, warns, and makes another one", async () => {
    await using at = await desk();
    await at.begin(400, { pinned: true });
    const { err } = await at.done("-n", "edge-7", "version");
    assert.match(
      err,
      /^warning: edge-7: its certificate has expired; its key is the pinned one\nedge-7: it has a new certificate/m,
    );
    await at.restart();
    assert.equal((await at.done("-n", "edge-7", "version")).err, "");
  });

  test("is not believed where it is over and no key was pinned", async () => {
    await using at = await desk();
    await at.begin(400, { pinned: false });
    assert.match((await at.petrify("-n", "edge-7", "version", "--json")).out, /NODE_UNKNOWN/);
    assert.equal(await at.daysLeft(), -35);
  });

  test("is not made anew by who may only look", async () => {
    await using at = await desk();
    await at.begin(250, { pinned: true });
    await at.done("context", "add", "look", "--secrets", "petrify-secrets", "--role", "reader");
    const before = await at.read("api/node.pem");
    assert.equal((await at.done("-n", at.address(), "version", "--context", "look")).err, "");
    assert.equal(await at.read("api/node.pem"), before);
  });

  test("that the machine has signed itself is left alone: somebody knows it by its key", async () => {
    await using at = await desk();
    await at.begin(0, { pinned: true });
    await writeFile(at.at("api/node.pem"), at.ownCertificate);
    await at.restart();
    assert.equal((await at.done("-n", "edge-7", "version")).err, "");
    assert.equal(await at.read("api/node.pem"), at.ownCertificate);
  });
});

suite("a machine that was off, known by its key", () => {
  for (const [name, behind, days] of [
    ["for a month, with a certificate that is over, and a clock that has gone on", 0, 395],
    ["for a month, with a clock that stood still", 30 * DAY, 100],
    ["for a month, with a clock that stood still and a certificate that is over", 30 * DAY, 395],
    ["until its clock says 1970", 56 * 365 * DAY, 100],
    ["until its clock says 1970 and its certificate is over", 56 * 365 * DAY, 730],
  ] as const) {
    test(`${name} is reached, renewed where it is due, and upgraded`, async () => {
      await using at = await desk(behind);
      await at.begin(days, { pinned: true });
      const first = await at.done("-n", "edge-7", "version");
      assert.match(first.out, /edge 1\.4\.0/);
      assert.equal(/its clock says .*Z; it is called with a certificate of that time/.test(first.err), behind > 0, first.err);
      const isOver = days > 365;
      assert.equal(/^edge-7: it has a new certificate/m.test(first.err), isOver, first.err);
      assert.equal(await at.daysLeft(), isOver ? 365 : 365 - days);
      await at.restart();
      assert.match((await at.done("-n", "edge-7", "upgrade", "registry.example/edge:2.0")).out, /succeeded/);
      assert.equal(at.upgrades.length, 1, "once, whatever was refused before");
    });
  }
});

suite("another authority", () => {
  test("follows the first one, and every command works in between", async () => {
    await using at = await desk();
    await at.begin(0, { pinned: false });
    await at.done("gen", "certificate", "alice", "--role", "admin");
    const works = async (): Promise<void> => {
      await at.restart();
      await at.done("-n", "edge-7", "version");
      await at.restart();
    };
    await at.done("gen", "secrets", "--rotate", "begin");
    await works();
    assert.match((await at.done("-n", "edge-7", "apply-trust")).out, /^edge-7 +1 +yes$/m);
    assert.equal(at.outdated(), 1);
    await works();
    await at.done("gen", "secrets", "--rotate", "switch");
    const former = await at.read("api/node.pem");
    await works();
    assert.notEqual(await at.read("api/node.pem"), former, "of the new authority");
    await at.done("gen", "secrets", "--rotate", "end");
    await works();
    assert.match((await at.done("-n", "edge-7", "apply-trust")).out, /yes$/m);
    await works();
    assert.match((await at.done("-n", "edge-7", "apply-trust")).out, /no$/m);
    assert.equal(await at.read("api/ca.pem"), await at.read("petrify-secrets/ca.pem"));
    assert.equal((await at.read("api/ca.pem")).match(/BEGIN/g)!.length, 1);
    await at.done("context", "add", "alice", ...ALICE);
    assert.match((await at.petrify("-n", at.address(), "version", "--context", "alice", "--json")).out, /NODE_HUNG_UP/);
    assert.match(at.log.join("\n"), /of an authority that is not accepted here/);
    assert.deepEqual(
      (await readdir(at.at("petrify-secrets"))).filter((name) => /next|former/.test(name)),
      [],
    );
  });

  test("comes in steps, of which none is left out or done twice", async () => {
    await using at = await desk();
    const fails = async (step: string): Promise<void> =>
      assert.match((await at.petrify("gen", "secrets", "--rotate", step, "--json")).out, /ROTATION_STEP/);
    await fails("switch");
    await fails("end");
    await at.done("gen", "secrets", "--rotate", "begin");
    await fails("begin");
    await fails("end");
    for (const name of ["ca.key", "ca.pem", "next.key"])
      assert.equal((await stat(at.at(`petrify-secrets/${name}`))).mode & 0o777, 0o600, name);
    await at.done("gen", "secrets", "--rotate", "switch");
    await fails("begin");
    await fails("switch");
    await at.done("gen", "secrets", "--rotate", "end");
    await fails("end");
    await at.done("gen", "secrets", "--rotate", "begin");
  });

  test("signs after a switch that was cut off, too", async () => {
    await using at = await desk();
    await at.done("gen", "secrets", "--rotate", "begin");
    const next = await at.read("petrify-secrets/next.key");
    const former = await at.read("petrify-secrets/ca.key");
    await writeFile(at.at("petrify-secrets/former.key"), former);
    await writeFile(at.at("petrify-secrets/ca.key"), next);
    await at.done("gen", "secrets", "--rotate", "switch");
    assert.deepEqual([await at.read("petrify-secrets/ca.key"), await at.read("petrify-secrets/former.key")], [next, former]);
    await at.done("gen", "secrets", "--rotate", "end");
  });
});

test("the recovery token is told to machines together with whom to trust, as a digest", async () => {
  await using at = await desk();
  await at.begin(0, { pinned: false });
  assert.match((await at.done("-n", "edge-7", "apply-trust")).out, /yes$/m);
  const token = await at.read("petrify-secrets/recovery-token");
  assert.ok(await isRecoveryToken(token, await at.read("api/recovery")));
  assert.equal((await stat(at.at("api/recovery"))).mode & 0o777, 0o600);
  assert.match((await at.done("-n", "edge-7", "apply-trust")).out, /no$/m);
  await writeFile(at.at("petrify-secrets/recovery-token"), "another one\n");
  assert.match((await at.done("-n", "edge-7", "apply-trust")).out, /yes$/m);
  assert.ok(await isRecoveryToken("another one", await at.read("api/recovery")));
});

suite("revoking", () => {
  test("ends every certificate of people that there is, once the machine knows", async () => {
    await using at = await desk();
    await at.begin(0, { pinned: false });
    await at.done("gen", "certificate", "alice", "--role", "admin");
    await at.done("context", "add", "alice", ...ALICE);
    await at.done("-n", at.address(), "version", "--context", "alice");
    assert.match((await at.done("gen", "secrets", "--revoke")).out, /epoch 2/);
    assert.match((await at.done("-n", "edge-7", "apply-trust")).out, /^edge-7 +2 +yes$/m);
    await at.restart();
    assert.match((await at.petrify("-n", at.address(), "version", "--context", "alice", "--json")).out, /NODE_HUNG_UP/);
    assert.match(at.log.join("\n"), /the certificate of alice is revoked: epoch 1 is over/);
    await at.done("-n", "edge-7", "version");
  });

  test("takes the authority's key: an admin's certificate is not enough", async () => {
    await using at = await desk();
    await at.begin(0, { pinned: false });
    await at.done("gen", "certificate", "alice", "--role", "admin");
    await at.done("context", "add", "alice", ...ALICE);
    const { out } = await at.petrify("-n", at.address(), "apply-trust", "--context", "alice", "--json");
    assert.match(out, /NO_AUTHORITY_KEY/);
  });
});
