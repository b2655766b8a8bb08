import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { addressBytes, addressKey, familyOf, isEverywhere, isMulticast, netmask, prefixOf } from "./ip.ts";

test("addresses are judged as Node judges them, zones aside", () => {
  const piece = fc.constantFrom("0", "1", "255", "256", "01", "ffff", "a", "::", ":", ".", "10000", "127.0.0.1", "g", "/", "");
  const text = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join("")),
    fc.array(piece, { maxLength: 9 }).map((parts) => parts.join(":")),
  );
  fc.assert(
    fc.property(text, (address) => {
      assert.equal(familyOf(address), isIPv4(address) ? 4 : isIPv6(address) ? 6 : undefined, address);
    }),
    { numRuns: 3000 },
  );
});

test("an address has one key, however it is written", () => {
  assert.equal(addressKey("2001:db8::1"), addressKey("2001:0DB8:0:0::0:1"));
  assert.equal(addressKey("::ffff:10.0.0.1"), addressKey("::ffff:a00:1"));
  assert.notEqual(addressKey("10.0.0.1"), addressKey("::10.0.0.1"));
  assert.deepEqual(
    addressBytes("::"),
    Array.from({ length: 16 }, () => 0),
  );
});

const PREFIXES: readonly [string, number | undefined][] = [
  ["10.0.0.1/24", 24],
  ["10.0.0.1/0", 0],
  ["10.0.0.1/33", undefined],
  ["10.0.0.1/08", undefined],
  ["10.0.0.1/", undefined],
  ["10.0.0.1/8/8", undefined],
  ["10.0.0.1", undefined],
  ["2001:db8::/128", 128],
  ["2001:db8::/129", undefined],
  ["fe80::1%eth0/64", undefined],
];
for (const [text, length] of PREFIXES)
  test(`${text} ${length === undefined ? "is no prefix" : `is a prefix of ${length} bits`}`, () => {
    assert.equal(prefixOf(text)?.length, length);
  });

test("an address alone is a network of one, where that is asked for", () => {
  assert.equal(prefixOf("10.0.0.1", true)?.length, 32);
  assert.equal(prefixOf("::1", true)?.length, 128);
});

test("everywhere, many, masks", () => {
  for (const to of ["default", "0.0.0.0/0", "::/0", "0::/0"]) assert.ok(isEverywhere(to), to);
  for (const to of ["0.0.0.0/1", "10.0.0.0/8", "defaults"]) assert.ok(!isEverywhere(to), to);
  for (const address of ["224.0.0.1", "239.255.255.255", "ff02::1"]) assert.ok(isMulticast(address), address);
  for (const address of ["223.255.255.255", "240.0.0.1", "fe80::1", "nothing"]) assert.ok(!isMulticast(address), address);
  assert.deepEqual([0, 1, 8, 23, 24, 30, 32].map(netmask), [
    ...["0.0.0.0", "128.0.0.0", "255.0.0.0", "255.255.254.0", "255.255.255.0", "255.255.255.252", "255.255.255.255"],
  ]);
});
