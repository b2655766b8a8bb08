import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { aclWithIds } from "./posix-acl.ts";

/** As `getfattr -e hex -n system.posix_acl_access` shows it: user::rw-, user:1000:r--, group::r--, group:4:r--, mask::r--, other::--- */
const LIST = Uint8Array.from(
  [
    "02000000",
    "01000600ffffffff",
    "02000400e8030000",
    "04000400ffffffff",
    "0800040004000000",
    "10000400ffffffff",
    "20000000ffffffff",
  ]
    .join("")
    .match(/../g)!,
  (byte) => Number.parseInt(byte, 16),
);
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");

test("users and groups of an access control list get their own other ids", () => {
  assert.match(hex(aclWithIds(LIST, new Map([[1000, 1001]]), new Map())), /02000400e9030000.*0800040004000000/);
  assert.match(hex(aclWithIds(LIST, new Map(), new Map([[4, 5]]))), /02000400e8030000.*0800040005000000/);
});

test("a list without any id that changes stays", () => {
  assert.equal(aclWithIds(LIST, new Map([[4, 5]]), new Map([[1000, 1]])), undefined);
  assert.equal(
    aclWithIds(LIST, new Map([[0xffffffff, 5]]), new Map([[0xffffffff, 5]])),
    undefined,
    "entries without an id have this one",
  );
});

test("entries of a tag are sorted by id, as acl(5) has them", () => {
  const two = Uint8Array.from([2, 0, 0, 0, 2, 0, 4, 0, 1, 0, 0, 0, 2, 0, 6, 0, 2, 0, 0, 0]);
  const swapped = aclWithIds(
    two,
    new Map([
      [1, 2],
      [2, 1],
    ]),
    new Map(),
  );
  assert.equal(hex(swapped), "0200000002000600010000000200040002000000");
});

test("nothing that is read throws, and what is no list stays", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const result = aclWithIds(bytes, new Map([[1, 2]]), new Map([[2, 1]]));
      assert.ok(result === undefined || result.length === bytes.length);
      assert.equal(aclWithIds(Uint8Array.of(3, ...LIST.subarray(1)), new Map([[1000, 1]]), new Map()), undefined);
    }),
  );
});
