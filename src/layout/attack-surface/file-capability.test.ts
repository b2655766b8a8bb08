import assert from "node:assert/strict";
import { test } from "node:test";
import { capabilityText, decodeFileCapability } from "./file-capability.ts";

// Those of one set are what getcap of libcap 2.66 prints.
for (const [hex, text] of [
  ["0100000200200000000000000000000000000000", "cap_net_raw=ep"],
  ["0100000200300000000000000000000000000000", "cap_net_admin,cap_net_raw=ep"],
  ["0000000200200000000000000000000000000000", "cap_net_raw=p"],
  ["0100000200000000002000000000000000000000", "cap_net_raw=ei"],
  ["0100000200040000002000000000000000000000", "cap_net_bind_service=ep cap_net_raw=ei"],
  ["0100000200000000000000008000000000000000", "cap_bpf=ep"],
  ["0100000200000000000000000000008000000000", "63=ep"],
  ["010000030020000000000000000000000000000000a00f00", "cap_net_raw=ep [rootid=1024000]"],
  ["010000010020000000000000", "cap_net_raw=ep"],
  ["0100000200000000000000000000000000000000", "="],
] as const) {
  test(`${hex} is ${text}`, () => {
    assert.equal(capabilityText(decodeFileCapability(Buffer.from(hex, "hex"))!), text);
  });
}

for (const hex of [
  "",
  "01",
  "01000002",
  "0100000400200000000000000000000000000000",
  "010000020020000000000000000000000000000000",
]) {
  test(`"${hex}" is no capability`, () => assert.equal(decodeFileCapability(Buffer.from(hex, "hex")), undefined));
}
