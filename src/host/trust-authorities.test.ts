import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { DOUBLE, SPACED } from "../config/machine/compile/fake-certificates.ts";
import { trustAuthorities } from "./trust-authorities.ts";

const folder = await mkdtemp(join(tmpdir(), "authorities-"));
/** One may be there twice, of Node and of the system, in lines of another length. */
const nameOf = (pem: string): string => new X509Certificate(pem).fingerprint256;
const trusted = (): Set<string> => new Set(getCACertificates("default").map(nameOf));
const before = getCACertificates("default");
const count = trusted().size;
after(async () => {
  setDefaultCACertificates(before);
  await rm(folder, { recursive: true });
});

test("authorities of a file are trusted besides those that were", async () => {
  await writeFile(join(folder, "ca.pem"), SPACED + DOUBLE);
  await trustAuthorities(join(folder, "ca.pem"));
  for (const one of [SPACED, DOUBLE]) assert.ok(trusted().has(nameOf(one)));
  assert.equal(trusted().size, count + 2);
});

test("a machine without such a file trusts whom it did", async () => {
  setDefaultCACertificates(before);
  await trustAuthorities(join(folder, "none.pem"));
  assert.equal(trusted().size, count);
});

test("a file that cannot be used is told, and changes nothing", async () => {
  setDefaultCACertificates(before);
  await writeFile(join(folder, "bad.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  await assert.rejects(trustAuthorities(join(folder, "bad.pem")), { code: "CA_INVALID" });
  assert.equal(trusted().size, count);
});
