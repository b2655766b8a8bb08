import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { decodePem } from "../../../layout/pem.ts";
import { subjectHash } from "./certificate-name.ts";
import { DOUBLE, SPACED, UMLAUT } from "./fake-certificates.ts";

const sha1 = (bytes: Uint8Array): Uint8Array => createHash("sha1").update(bytes).digest();
const der = (pem: string): Uint8Array => decodePem(pem)!.bytes;

// What `openssl x509 -noout -subject_hash` says of them.
for (const [what, pem, expected] of [
  ["spaces are made one, and letters small", SPACED, "c6fe8a68"],
  ["letters beyond ASCII stay as they are", UMLAUT, "be84d356"],
  ["a part may have two values", DOUBLE, "b1ae65d1"],
] as const) {
  test(`an authority is called as OpenSSL calls it: ${what}`, () => {
    assert.equal(subjectHash(der(pem), sha1), expected);
  });
}

test("what is no certificate has no name, whatever it is", () => {
  const whole = der(SPACED);
  const damaged = fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => whole.with(at, byte));
  const cut = fc.nat(whole.length - 1).map((length) => whole.subarray(0, length));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged, cut), (bytes) => {
      const name = subjectHash(bytes, sha1);
      assert.ok(name === undefined || /^[0-9a-f]{8}$/.test(name));
      if (bytes.length < whole.length) assert.equal(name, undefined);
    }),
    { numRuns: 300 },
  );
});
