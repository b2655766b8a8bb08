import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeEnvBlock, encodeEnvBlock, ENV_BLOCK_SIZE, latin1Bytes, latin1Text } from "./env-block.ts";

const block = (text: string): Uint8Array => latin1Bytes(`# GRUB Environment Block\n${text}`.padEnd(ENV_BLOCK_SIZE, "#"));

test("a block is what grub-editenv would make", () => {
  const bytes = encodeEnvBlock({ one: "1", two: "" });
  assert.equal(bytes.length, ENV_BLOCK_SIZE);
  assert.match(latin1Text(bytes), /^# GRUB Environment Block\none=1\ntwo=\n#{988}$/);
});

const texts: readonly [name: string, text: string, variables: Record<string, string>][] = [
  ["empty values are values", "a=\nb=2\n", { a: "", b: "2" }],
  ["the last of a name counts", "a=1\na=2\n", { a: "2" }],
  ["comments are passed over", "# a=1\nb=2\n", { b: "2" }],
  ["a backslash escapes what follows", "a=1\\\\2\\\n3\nb=4\n", { a: "1\\2\n3", b: "4" }],
  ["a line that does not end is no variable", `a=1\nb=${"2".repeat(2000)}`, { a: "1" }],
  ["a NUL ends a value, as C does it", "a=1\0x\n", { a: "1" }],
];
for (const [name, text, variables] of texts) {
  test(`decodeEnvBlock(): ${name}`, () => assert.deepEqual(Object.fromEntries(decodeEnvBlock(block(text))!), variables));
}

test("what is not a block is none", () => {
  for (const bytes of [new Uint8Array(ENV_BLOCK_SIZE), new Uint8Array(), latin1Bytes("# GRUB environment block\na=1\n")]) {
    assert.equal(decodeEnvBlock(bytes), undefined);
  }
});

test("variables that would reach into the second sector are refused", () => {
  assert.doesNotThrow(() => encodeEnvBlock({ a: "x".repeat(512 - 25 - 3) }));
  assert.throws(() => encodeEnvBlock({ a: "x".repeat(512 - 25 - 2) }), /513 bytes/);
});

test("what is encoded is decoded; no bytes make the decoder throw", () => {
  const name = fc.stringMatching(/^[a-z_]{1,12}$/);
  fc.assert(
    fc.property(
      fc.dictionary(name, fc.stringMatching(/^[0-9a-z -]{0,20}$/), { maxKeys: 8, noNullPrototype: true }),
      (variables) => {
        assert.deepEqual(Object.fromEntries(decodeEnvBlock(encodeEnvBlock(variables))!), variables);
      },
    ),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2048 }), (bytes) => void decodeEnvBlock(bytes)));
  fc.assert(fc.property(fc.string({ unit: "binary-ascii", maxLength: 300 }), (text) => void decodeEnvBlock(block(text))));
});
