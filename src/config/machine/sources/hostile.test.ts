import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDocument } from "../parse.ts";
import { metaDocument, noCloudMeta, openStackMeta } from "./meta-data.ts";
import { driveNetwork, noCloudNetwork } from "./network-data.ts";
import { readSource } from "./source-document.ts";
import { vendorDocument } from "./vendor-data.ts";

const SECRET = "hunter2";
const KEYS = [
  ...[
    "instance-id",
    "local-hostname",
    "public-keys",
    "seedfrom",
    "uuid",
    "hostname",
    "public_keys",
    "cloud-init",
    "network",
    "version",
  ],
  ...[
    "links",
    "networks",
    "services",
    "id",
    "type",
    "link",
    "bond_links",
    "ethernet_mac_address",
    "ip_address",
    "netmask",
    "routes",
  ],
  ...["config_url", "url", "sha256", "headers", "__proto__", "constructor"],
];
const value = fc.letrec((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom("phy", "bond", "vlan", "ipv4", "ipv6", "255.255.0.0", "ffff::", "http://a/", 1, 2, "i-1", "a.b", ""),
    fc.constant(SECRET),
    fc.string({ unit: "binary" }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  ),
  map: fc.dictionary(fc.constantFrom(...KEYS), tie("any"), { maxKeys: 8 }),
  list: fc.array(tie("any"), { maxLength: 4 }),
  any: fc.oneof({ maxDepth: 5 }, tie("leaf"), tie("map"), tie("list")),
}));
/** Of which something can be made, more often than by chance. */
const likely = fc.record(
  {
    "instance-id": fc.constantFrom("i-1", SECRET, 5),
    hostname: value.leaf,
    version: fc.constantFrom(1, 2),
    "public-keys": value.any,
    links: fc.array(fc.record({ id: value.leaf, type: value.leaf, ethernet_mac_address: fc.constant("52:54:00:12:34:56") })),
    networks: value.any,
  },
  { requiredKeys: [] },
);
const json = fc.oneof(value.map, likely).map((one) => JSON.stringify(one));
const bytes = fc.oneof(
  json.map((text) => Buffer.from(text)),
  json.map((text) => Buffer.from(`#cloud-config\n${text}`)),
  fc.tuple(json, fc.nat(200), fc.nat(255)).map(([text, at, byte]) => {
    const damaged = Buffer.from(`#cloud-config\n${text}`);
    damaged[at % damaged.length] = byte;
    return damaged;
  }),
  fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
);

test("whatever a cloud says is read or refused, no value of it is told, and what is made of it can be read", () => {
  let made = 0;
  const readable = (found: { readonly text: string } | { readonly problem: string } | undefined): void => {
    if (!found) return;
    if ("problem" in found) return assert.doesNotMatch(found.problem, /hunter2/);
    made++;
    const { problems } = parseDocument(found.text, "o");
    assert.ok(!problems.some(({ path }) => path.length === 0), JSON.stringify(found));
  };
  fc.assert(
    fc.property(bytes, (data) => {
      for (const read of [noCloudMeta, openStackMeta]) {
        const meta = read(data, "o");
        if ("problem" in meta) assert.doesNotMatch(meta.problem, /hunter2/);
        else {
          const text = metaDocument(meta);
          readable(text === undefined ? undefined : { text });
        }
      }
      for (const read of [noCloudNetwork, driveNetwork]) readable(read(data, "o"));
      const vendor = vendorDocument(data, "o");
      if (vendor && "problem" in vendor) assert.doesNotMatch(vendor.problem, /hunter2/);
      const source = readSource(data, "o");
      if (source && "problem" in source) assert.doesNotMatch(source.problem, /hunter2/);
    }),
    { numRuns: 500 },
  );
  assert.ok(made > 50, `only ${made} documents were made`);
});
