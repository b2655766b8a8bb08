import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MEDIUM_ID_SIZE, mediumIdOf, mediumName, mediumOfCommandLine } from "./medium-id.ts";

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

test("the command line says which medium a system was started from", () => {
  assert.equal(mediumOfCommandLine(`quiet petrify.medium=${ID} petrify.slot=ram\n`), ID);
  assert.equal(mediumOfCommandLine(`petrify.medium=${ID}\n`), ID);
  for (const other of ["", `xpetrify.medium=${ID}`, `petrify.medium=${ID}0`, "petrify.medium="]) {
    assert.equal(mediumOfCommandLine(other), undefined, other);
  }
});
