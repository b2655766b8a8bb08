import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { newSigningKey } from "../host/signing-key.ts";
import { sha256 } from "../host/sha256.ts";
import { authorityCertificate, clientCertificate, nodeCertificate, ownNodeCertificate, type Making } from "./certificate.ts";

const NOW = Date.UTC(2026, 10, 22, 12) / 1000;
const making: Making = { sha256, random: randomBytes, now: NOW };
const key = await newSigningKey();
const own = await newSigningKey();
const authority = { key, certificate: authorityCertificate(key, making) };
const ca = new X509Certificate(authority.certificate);
const identity = { name: "Jörg", role: "admin", epoch: 3 } as const;
const names = { hostname: "edge-7", addresses: ["edge-7.example", "192.0.2.7", "fd00::7"] };
const client = new X509Certificate(clientCertificate(authority, { publicKey: own.publicKey, identity, hours: 12 }, making));
const node = new X509Certificate(nodeCertificate(authority, { publicKey: own.publicKey, names }, making));
const alone = new X509Certificate(ownNodeCertificate(own, names, making));

const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

suite("a certificate", () => {
  test("is signed by its authority, and by nobody else", () => {
    for (const one of [client, node]) {
      assert.ok(one.checkIssued(ca) && one.verify(ca.publicKey) && !one.ca);
      assert.equal(one.verify(alone.publicKey), false);
    }
    assert.ok(alone.verify(alone.publicKey));
  });

  test("is for one thing", () => {
    assert.deepEqual([client.keyUsage, node.keyUsage, alone.keyUsage], [[CLIENT_AUTH], [SERVER_AUTH], [SERVER_AUTH]]);
  });

  test("has a time, a little of which is before its making, for clocks differ; an authority's begins before any clock", () => {
    const times = [ca, client, node].map(({ validFromDate, validToDate }) =>
      [validFromDate, validToDate].map((date) => date.getTime() / 1000 - NOW),
    );
    assert.deepEqual(times, [
      [-NOW, 3650 * 86_400],
      [-300, 12 * 3600],
      [-300, 365 * 86_400],
    ]);
    assert.equal(alone.validFromDate.getTime(), 0);
    assert.equal(alone.validTo, "Dec 31 23:59:59 9999 GMT");
  });

  test("of a machine is for its names and addresses", () => {
    for (const name of ["edge-7", "edge-7.example"]) assert.equal(node.checkHost(name), name);
    for (const address of ["192.0.2.7", "fd00::7"]) assert.ok(node.checkIP(address), address);
    assert.equal(node.checkHost("edge-8"), undefined);
    assert.equal(node.checkIP("192.0.2.8"), undefined);
  });

  test("has a number that none had before, whatever the random bits are", () => {
    const numbers = [client, node, alone, ca].map(({ serialNumber }) => serialNumber);
    assert.equal(new Set(numbers).size, 4);
    for (const byte of [0, 255]) {
      const certificate = authorityCertificate(key, { ...making, random: (length) => new Uint8Array(length).fill(byte) });
      assert.equal(new X509Certificate(certificate).serialNumber.length, 32);
    }
  });

  test("of two authorities have two names", async () => {
    const other = new X509Certificate(authorityCertificate(await newSigningKey(), making));
    assert.notEqual(other.subject, ca.subject);
  });
});

test("openssl finds nothing wrong with any of them, as strict as it can be", async () => {
  const tools = await testTools("registries");
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-pki-"));
  for (const [name, one] of Object.entries({ ca, client, node, alone })) await writeFile(join(folder.path, name), one.toString());
  const judge = async (purpose: string, trusted: string, name: string) =>
    await tools.run(
      ["openssl", "verify", "-x509_strict", "-attime", `${NOW + 60}`, "-purpose", purpose, "-CAfile", trusted, name],
      {
        binds: [{ source: folder.path }],
        cwd: folder.path,
      },
    );
  await judge("sslclient", "ca", "client");
  await judge("sslserver", "ca", "node");
  await judge("sslserver", "alone", "alone");
  await assert.rejects(judge("sslserver", "ca", "client"), /purpose/);
  await assert.rejects(judge("sslclient", "ca", "node"), /purpose/);
});
