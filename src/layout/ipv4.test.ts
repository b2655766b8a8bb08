import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatIpv4, ipv4Network, parseIpv4 } from "./ipv4.ts";

test("an address is read and written alike", () => {
  fc.assert(fc.property(fc.ipV4(), (text) => formatIpv4(parseIpv4(text)!) === text));
});

for (const text of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "::1", "1..2.3"]) {
  test(`${JSON.stringify(text)} is no address`, () => assert.equal(parseIpv4(text), undefined));
}

test("a network goes from its name to everybody's address", () => {
  const ends = (address: string, netmask: string): string[] => {
    const { first, last } = ipv4Network(address, netmask);
    return [formatIpv4(first), formatIpv4(last)];
  };
  assert.deepEqual(ends("192.0.2.77", "255.255.255.0"), ["192.0.2.0", "192.0.2.255"]);
  assert.deepEqual(ends("192.0.2.77", "255.255.255.192"), ["192.0.2.64", "192.0.2.127"]);
  assert.deepEqual(ends("203.0.113.9", "255.255.255.255"), ["203.0.113.9", "203.0.113.9"]);
  assert.deepEqual(ends("203.0.113.9", "0.0.0.0"), ["0.0.0.0", "255.255.255.255"]);
});
