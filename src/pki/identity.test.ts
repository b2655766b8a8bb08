import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { identityOf, isIdentityName, parseEpoch, subjectOf } from "./identity.ts";

suite("who a subject is", () => {
  test("is what was written into it", () => {
    for (const identity of [
      { name: "alice", role: "reader", epoch: 0 },
      { name: "Jörg M. @ home+1", role: "admin", epoch: 12 },
    ] as const) {
      assert.deepEqual(identityOf({ ...subjectOf(identity) }), identity);
    }
  });

  const good = { CN: "alice", O: "petrify:admin", OU: "petrify:epoch:1" };
  for (const [name, fields] of [
    ["a role that there is not", { ...good, O: "petrify:root" }],
    ["a machine", { ...good, O: "petrify:node" }],
    ["another organisation", { ...good, O: "admin" }],
    ["two roles", { ...good, O: ["petrify:reader", "petrify:admin"] }],
    ["two names", { ...good, CN: ["alice", "bob"] }],
    ["two epochs", { ...good, OU: ["petrify:epoch:1", "petrify:epoch:9"] }],
    ["no epoch", { CN: "alice", O: "petrify:admin" }],
    ["an epoch that is no number", { ...good, OU: "petrify:epoch:1e9" }],
    ["an epoch below all", { ...good, OU: "petrify:epoch:-1" }],
    ["another unit", { ...good, OU: "sales" }],
    ["a name that breaks a line", { ...good, CN: "a\nb" }],
    ["a name that hides", { ...good, CN: "\u202Eadmin" }],
    ["no name", { ...good, CN: "" }],
    ["nothing", {}],
  ] as const) {
    test(`is nobody with ${name}`, () => assert.equal(identityOf(fields), undefined));
  }
});

test("names go into logs and tables", () => {
  for (const [name, ok] of [
    ["a", true],
    ["x".repeat(64), true],
    ["x".repeat(65), false],
    [" a", false],
    ["a ", false],
    ["a/b", false],
    ["a=b", false],
  ] as const) {
    assert.equal(isIdentityName(name), ok, name);
  }
});

test("an epoch is a number that no arithmetic spoils", () => {
  assert.deepEqual(["0", "7", "999999999999999", "01", "+1", " 1", "1.0", "", "1000000000000000"].map(parseEpoch), [
    0,
    7,
    999_999_999_999_999,
    ...Array.from({ length: 6 }, () => undefined),
  ]);
});
