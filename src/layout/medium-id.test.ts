import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MEDIUM_ID_SIZE, mediumIdOf, mediumName } from "./medium-id.ts";

const ID = "0123456789abcdef0123456789abcdef";
const field = (text: string): Uint8Array => new TextEncoder().encode(text.padEnd(MEDIUM_ID_SIZE));

test("a medium is known by its volume set identifier, and nothing else is one", () => {
  assert.equal(mediumIdOf(field(mediumName(ID))), ID);
  assert.equal(mediumIdOf(field(mediumName(ID).toUpperCase())), ID, "some writers know upper case only");
  for (const other of ["", "DEBIAN", mediumName(ID).slice(1), mediumName(`${ID}0`), mediumName(ID.slice(1))]) {
    assert.equal(mediumIdOf(field(other)), undefined, other);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void mediumIdOf(bytes)));
});
