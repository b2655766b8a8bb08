import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { suite, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { fakeAuthority } from "../../agent/api/testing.ts";
import { parseAddress } from "../../client/address.ts";
import { openSigner } from "../../client/open-signer.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { DAY, desk, fails, HOUR } from "../../../tests/support/signing-desk.ts";

const { signal } = new AbortController();

suite("an authority that signs over the network", () => {
  for (const [name, days] of [
    ["that is in force", 10],
    ["that is over for a month", 395],
    ["that is over for almost a year", 729],
  ] as const) {
    test(`makes a machine another certificate for one ${name}: same key, same names, another year`, async () => {
      await using at = await desk();
      const before = await at.machineCertificate(days);
      const made = await at.renew({ certificate: before, key: at.machine.key });
      const old = new X509Certificate(before);
      assert.ok(made.publicKey.equals(old.publicKey) && made.verify(new X509Certificate(at.authorities).publicKey));
      assert.deepEqual([made.subject, made.subjectAltName, made.keyUsage], [old.subject, old.subjectAltName, old.keyUsage]);
      assert.equal(Math.round((made.validToDate.getTime() / 1000 - secondsNow()) / DAY), 365);
      assert.partialDeepStrictEqual(at.lines().at(-1), {
        type: "signed",
        is: "machine",
        name: "edge-7",
        key: at.machine.fingerprint,
      });
    });
  }

  test("says that its port is taken", async () => {
    await using at = await desk();
    const { exitCode, err } = await at.petrify(["ca", "serve", "--listen", at.address]);
    assert.equal(exitCode, 1);
    assert.match(err, /^error: something else listens on 127\.0\.0\.1 port \d+\nhint: /);
  });

  test("makes a person another certificate while the first one is in force: same name, role and epoch, lasting as long", async () => {
    await using at = await desk();
    const before = await at.person("--hours", "20");
    await at.done([
      "context",
      "add",
      "edge",
      "--ca",
      "petrify-secrets/ca.pem",
      "--certificate",
      "alice.pem",
      "--key",
      "alice.key",
    ]);
    at.later(19 * HOUR);
    await at.done(["ca", "renew", at.address]);
    const { contexts } = JSON.parse(await readFile(at.at(".config/petrify/contexts.json"), "utf8")) as {
      contexts: { edge: { credentials: { certificate: string; key: string } } };
    };
    const made = new X509Certificate(contexts.edge.credentials.certificate);
    const old = new X509Certificate(before.certificate);
    assert.deepEqual([made.subject, made.keyUsage, contexts.edge.credentials.key], [old.subject, old.keyUsage, before.key]);
    assert.equal(Math.round((made.validToDate.getTime() / 1000 - secondsNow()) / HOUR), 39);
  });

  test("signs nothing for a person whose certificate is over, or of an epoch that is", async () => {
    await using at = await desk();
    const pair = await at.person();
    at.later(12 * HOUR);
    await fails("CERTIFICATE_EXPIRED", at.renew(pair));
    at.later(-12 * HOUR);
    await at.renew(pair);
    await at.done(["gen", "secrets", "--revoke"]);
    await fails("CERTIFICATE_REVOKED", at.renew(pair));
    assert.partialDeepStrictEqual(at.lines().at(-1), { type: "refused", code: "CERTIFICATE_REVOKED" });
  });

  test("signs nothing for a machine whose certificate is over for a year", async () => {
    await using at = await desk();
    await fails("CERTIFICATE_EXPIRED", at.renew({ certificate: await at.machineCertificate(731), key: at.machine.key }));
  });

  test("signs nothing for a key that is denied, from that moment on", async () => {
    await using at = await desk();
    const pair = { certificate: await at.machineCertificate(10), key: at.machine.key };
    await at.renew(pair);
    const { fingerprint } = at.machine;
    const deny = async (...more: readonly string[]): Promise<unknown> => {
      const { out } = await at.done(["ca", "deny", fingerprint, ...more, "--json"]);
      return (JSON.parse(out) as { value: { changed: boolean } }).value.changed;
    };
    assert.deepEqual([await deny(), await deny()], [true, false]);
    await fails("KEY_DENIED", at.renew(pair));
    assert.deepEqual([await deny("--undo"), await deny("--undo")], [true, false]);
    await at.renew(pair);
  });

  test("signs nothing any more once another authority is in force alone: it has to be started anew", async () => {
    await using at = await desk();
    const pair = await at.person();
    for (const step of ["begin", "switch"]) {
      await at.done(["gen", "secrets", "--rotate", step]);
      await at.renew(pair);
    }
    await at.done(["gen", "secrets", "--rotate", "end"]);
    await fails("AUTHORITY_FORMER", at.renew(pair));
  });

  test("signs nothing for strangers: another authority's, nobody's, a key that is not the certificate's", async () => {
    await using at = await desk();
    const other = await fakeAuthority();
    await fails("CERTIFICATE_UNKNOWN", at.renew(await other.machine("edge-7")));
    await fails("CERTIFICATE_UNKNOWN", at.renew(await other.person()));
    await fails("CERTIFICATE_UNKNOWN", at.renew(at.machine));
    // The authority's own certificate, and a name that nobody has.
    const key = await readFile(at.at("petrify-secrets/ca.key"), "utf8");
    await fails("CERTIFICATE_UNKNOWN", at.renew({ certificate: at.authorities, key }));
    const { host, port } = parseAddress(at.address);
    const socket = connectTls({ host, port, ca: at.authorities, ALPNProtocols: ["http/1.1"] });
    await once(socket, "secureConnect");
    socket.write(
      "POST /petrify.v1.SigningService/Renew HTTP/1.1\r\nHost: ca\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    socket.destroy();
    assert.match(String(answer), /error-code: CERTIFICATE_MISSING/i);
  });

  test("signs three times for one key, then once in ten minutes", async () => {
    await using at = await desk();
    const pair = { certificate: await at.machineCertificate(10), key: at.machine.key };
    for (let times = 0; times < 3; times++) await at.renew(pair);
    await fails("ASKED_TOO_OFTEN", at.renew(pair));
    at.later(600);
    await at.renew(pair);
    await fails("ASKED_TOO_OFTEN", at.renew(pair));
  });

  test("is known by its certificate for signing: a machine of the same authority that answers in its place is not asked", async () => {
    await using at = await desk();
    const own = await at.person();
    const ours = await fakeAuthority();
    const theirs = { authorities: ours.certificate };
    await fails("SIGNER_UNKNOWN", openSigner(parseAddress(at.address), own, theirs, signal));
    const { serveTls } = await import("../../host/tls-server.ts");
    const { LIMITS } = await import("../../agent/api/open-api.ts");
    await using impostor = await serveTls({
      ...{
        at: { host: "127.0.0.1", port: 0 },
        callers: "unjudged",
        handle: () => assert.fail("it was asked"),
        refused: () => {},
      },
      ...{ limits: LIMITS, certificate: await at.machineCertificate(1), key: at.machine.key },
    });
    const target = { host: "127.0.0.1", port: impostor.port };
    await fails("SIGNER_UNKNOWN", openSigner(target, own, at, signal));
  });

  test("is ended by Ctrl-C, with what it has done, also while somebody says nothing; no secret was printed", async () => {
    await using at = await desk();
    await at.renew(await at.person());
    const { host, port } = parseAddress(at.address);
    const silent = connect(port, host);
    await once(silent, "connect");
    const { exitCode, out, err } = await at.end();
    silent.destroy();
    assert.equal(exitCode, 0, err);
    assert.match(out, /"type":"result","value":\{"signed":1,"refused":0\}/);
    const key = await readFile(at.at("petrify-secrets/ca.key"), "utf8");
    for (const line of key.split("\n").filter((one) => one.length > 20 && !one.startsWith("-")))
      assert.ok(!`${out}${err}`.includes(line));
  });
});

test("a context that makes its own certificates needs none of anybody", async () => {
  await using at = await desk();
  await at.done(["context", "add", "edge", "--secrets", "petrify-secrets"]);
  assert.match((await at.petrify(["ca", "renew", at.address, "--json"])).out, /RENEWAL_UNNEEDED/);
});
