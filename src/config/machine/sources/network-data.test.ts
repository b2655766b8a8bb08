import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNetwork } from "../../network/network-section.ts";
import { parseDocument } from "../parse.ts";
import { plain } from "../tree.ts";
import { driveNetwork, noCloudNetwork } from "./network-data.ts";
import { cidr } from "./openstack-network.ts";
import { vendorDocument } from "./vendor-data.ts";

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
/** The network of the document, which has to be sound. */
function networkOf(found: ReturnType<typeof noCloudNetwork>): unknown {
  assert.ok(found && "text" in found, JSON.stringify(found));
  const { tree, problems } = parseDocument(found.text, "n");
  assert.deepEqual(problems, []);
  const { network } = plain(tree) as { network: unknown };
  assert.ok("config" in parseNetwork(network), JSON.stringify(parseNetwork(network)));
  return network;
}

test("network-config is netplan's format, under network or without it", () => {
  const network = { version: 2, ethernets: { eth0: { dhcp4: true } } };
  assert.deepEqual(networkOf(noCloudNetwork(bytes(network), "n")), network);
  assert.deepEqual(networkOf(noCloudNetwork(bytes({ network }), "n")), network);
  assert.deepEqual(networkOf(noCloudNetwork(bytes("version: 2\nethernets:\n  eth0: {dhcp4: true}\n"), "n")), network);
  assert.equal(noCloudNetwork(bytes(""), "n"), undefined);
});

for (const [value, why] of [
  [{ version: 1, config: [] }, /version 1 of a network is not read/],
  [{ network: { config: "disabled" } }, /disabled is not read/],
  [{ ethernets: {} }, /no network of version 2/],
  [{ network: "eth0" }, /must be a mapping/],
  ["version: 2\nversion: 2\n", /^n:2:1: is here for the second time/],
] as const) {
  test(`${JSON.stringify(value)} is refused`, () =>
    assert.match((noCloudNetwork(bytes(value), "n") as { problem: string }).problem, why));
}

// After the example of OpenStack Nova's "Metadata" page.
const NOVA = {
  links: [
    { id: "interface0", type: "phy", ethernet_mac_address: "A0:36:9F:2C:E8:80", mtu: 9000 },
    { id: "interface1", type: "phy", ethernet_mac_address: "a0:36:9f:2c:e8:81" },
    { id: "interface2", type: "vif", ethernet_mac_address: "a0:36:9f:2c:e8:82", vif_id: "x" },
    {
      ...{ id: "bond0", type: "bond", bond_links: ["interface0", "interface1"], ethernet_mac_address: "a0:36:9f:2c:e8:82" },
      ...{ bond_mode: "802.3ad", bond_xmit_hash_policy: "layer3+4", bond_miimon: 100 },
    },
    { id: "vlan2", type: "vlan", vlan_link: "bond0", vlan_id: 101, vlan_mac_address: "fa:16:3e:b3:72:30" },
  ],
  networks: [
    { id: "p", type: "ipv4_dhcp", link: "interface2" },
    {
      ...{ id: "v4", type: "ipv4", link: "vlan2", ip_address: "10.184.0.244", netmask: "255.255.240.0" },
      routes: [
        { network: "10.0.0.0", netmask: "255.0.0.0", gateway: "11.0.0.1" },
        { network: "0.0.0.0", netmask: "0.0.0.0", gateway: "10.184.0.1" },
      ],
      services: [{ type: "dns", address: "10.184.0.2" }],
    },
    {
      ...{ id: "v6", type: "ipv6", link: "vlan2", ip_address: "2001:cdba::3257:9652/64" },
      routes: [{ network: "::", netmask: "::", gateway: "fd00::1" }],
    },
  ],
  services: [{ type: "dns", address: "8.8.8.8" }],
};

test("network_data.json becomes netplan's: cards by their addresses, bonds, vlans, routes and name servers", () => {
  assert.deepEqual(networkOf(driveNetwork(bytes(NOVA), "n")), {
    version: 2,
    ethernets: {
      link0: { match: { macaddress: "a0:36:9f:2c:e8:80" }, mtu: 9000 },
      link1: { match: { macaddress: "a0:36:9f:2c:e8:81" } },
      link2: { match: { macaddress: "a0:36:9f:2c:e8:82" }, dhcp4: true, nameservers: { addresses: ["8.8.8.8"] } },
    },
    bonds: {
      bond3: {
        interfaces: ["link0", "link1"],
        parameters: { mode: "802.3ad", "mii-monitor-interval": 100, "transmit-hash-policy": "layer3+4" },
        macaddress: "a0:36:9f:2c:e8:82",
      },
    },
    vlans: {
      vlan4: {
        ...{ id: 101, link: "bond3", macaddress: "fa:16:3e:b3:72:30" },
        addresses: ["10.184.0.244/20", "2001:cdba::3257:9652/64"],
        routes: [
          { to: "10.0.0.0/8", via: "11.0.0.1" },
          { to: "default", via: "10.184.0.1" },
          { to: "default", via: "fd00::1" },
        ],
        nameservers: { addresses: ["10.184.0.2", "8.8.8.8"] },
      },
    },
  });
});

for (const [value, why] of [
  [{ links: [{ id: "a", type: "phy" }] }, /no ethernet_mac_address/],
  [{ links: [{ id: "b", type: "bond", bond_links: ["none"] }] }, /bond has a link that is not there/],
  [{ links: [{ id: "v", type: "vlan", vlan_link: "none" }] }, /vlan has a link that is not there/],
  [{ links: Array.from({ length: 1000 }, () => ({})) }, /too many links/],
] as const) {
  test(`a network of OpenStack is refused: ${why.source}`, () =>
    assert.match((driveNetwork(bytes(value), "n") as { problem: string }).problem, why));
}
test("one without links is none", () => {
  for (const value of [{}, { links: [] }, { links: "x", networks: 5 }]) assert.equal(driveNetwork(bytes(value), "n"), undefined);
});

for (const [address, mask, is] of [
  ["10.0.0.5", "255.255.255.0", "10.0.0.5/24"],
  ["10.0.0.5", "0.0.0.0", "10.0.0.5/0"],
  ["10.0.0.5", "24", "10.0.0.5/24"],
  ["10.0.0.5", undefined, "10.0.0.5/32"],
  ["10.0.0.5/8", "255.255.255.0", "10.0.0.5/8"],
  ["fd00::1", "ffff:ffff:ffff:ffff::", "fd00::1/64"],
  ["fd00::1", undefined, "fd00::1/128"],
] as const) {
  test(`${address} with ${mask} is ${is}`, () => assert.equal(cidr(address, mask), is));
}

test("vendor data of a config drive is the machine config under cloud-init", () => {
  assert.deepEqual(vendorDocument(bytes({ "cloud-init": "#cloud-config\n" }), "v"), { text: "#cloud-config\n" });
  for (const value of [{}, { "cloud-init": "" }, { other: 1 }]) assert.equal(vendorDocument(bytes(value), "v"), undefined);
  for (const value of [{ "cloud-init": ["a"] }, "[]"]) assert.ok("problem" in vendorDocument(bytes(value), "v")!);
});
