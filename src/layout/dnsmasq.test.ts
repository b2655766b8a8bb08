import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressRange, dhcpNews, dnsmasqConfig, dnsmasqStarted, type DhcpRequest } from "./dnsmasq.ts";

const REQUEST: DhcpRequest = {
  ...{ mode: "proxy", interface: "eth0", address: "192.0.2.2", netmask: "255.255.255.0" },
  ...{ script: "http://192.0.2.2:8080/boot.ipxe", tftp: "/usr/lib/ipxe" },
};

test("a proxy gives no address and says what to boot, by firmware; iPXE gets its script", () => {
  const lines = dnsmasqConfig(REQUEST).split("\n");
  assert.deepEqual(
    lines.filter((line) =>
      /^(dhcp-range|pxe-service|dhcp-boot|interface|port|dhcp-authoritative|dhcp-option|dhcp-ignore)/.test(line),
    ),
    [
      "port=0",
      "interface=eth0",
      "dhcp-range=192.0.2.0,proxy,255.255.255.0",
      "dhcp-ignore=tag:!arch0,tag:!arch7,tag:!arch9",
      'pxe-service=tag:!ipxe,0,"petrify",undionly.kpxe',
      'pxe-service=tag:!ipxe,7,"petrify",snponly.efi',
      'pxe-service=tag:!ipxe,9,"petrify",snponly.efi',
      "dhcp-boot=tag:ipxe,http://192.0.2.2:8080/boot.ipxe",
    ],
  );
});

test("a full server gives addresses of its range, and no way out of the network", () => {
  const lines = dnsmasqConfig({ ...REQUEST, mode: "full", range: ["192.0.2.100", "192.0.2.199"] }).split("\n");
  assert.deepEqual(
    lines.filter((line) => /^(dhcp-range|pxe-service|dhcp-boot|dhcp-option)/.test(line)),
    [
      "dhcp-range=192.0.2.100,192.0.2.199,255.255.255.0,1h",
      "dhcp-option=option:router",
      "dhcp-option=option:dns-server",
      "dhcp-boot=tag:!ipxe,tag:arch0,undionly.kpxe",
      "dhcp-boot=tag:!ipxe,tag:arch7,snponly.efi",
      "dhcp-boot=tag:!ipxe,tag:arch9,snponly.efi",
      "dhcp-boot=tag:ipxe,http://192.0.2.2:8080/boot.ipxe",
    ],
  );
});

test("it keeps to its interface, as a user without rights", () => {
  const lines = dnsmasqConfig(REQUEST).split("\n");
  for (const line of ["bind-interfaces", "except-interface=lo", "user=nobody"]) assert.ok(lines.includes(line), line);
});

for (const bad of ["eth0\nport=53", "eth0,eth1", "", 'a"b', "a#b"]) {
  test(`an interface ${JSON.stringify(bad)} never becomes two lines`, () => {
    assert.throws(() => dnsmasqConfig({ ...REQUEST, interface: bad }), /cannot be told/);
  });
}

test("a range lies within the network, without this machine", () => {
  const range = (text: string) => addressRange(text, "192.0.2.10", "255.255.255.0");
  assert.deepEqual(range("192.0.2.100-192.0.2.199"), ["192.0.2.100", "192.0.2.199"]);
  assert.deepEqual(range("192.0.2.1-192.0.2.9"), ["192.0.2.1", "192.0.2.9"]);
  const refused = [
    ...["", "192.0.2.100", "192.0.2.100-", "192.0.2.100-300", "192.0.2.100-192.0.2.110-192.0.2.120", "a-b"],
    ...["192.0.2.20-192.0.2.11", "192.0.2.0-192.0.2.5", "192.0.2.200-192.0.2.255", "192.0.3.1-192.0.3.9", "192.0.2.5-192.0.2.15"],
  ];
  for (const text of refused) assert.throws(() => range(text), { code: "DHCP_RANGE_INVALID" }, text);
});

test("its log tells who asked, who has which address, and who got which file", () => {
  assert.deepEqual(
    [
      "dnsmasq-dhcp[7]: PXE(eth0) 52:54:00:12:34:56 proxy",
      "dnsmasq-dhcp[7]: DHCPACK(eth0) 192.0.2.100 52:54:00:12:34:56 node-1",
      "dnsmasq-dhcp[7]: DHCPACK(eth0) 192.0.2.101 52:54:00:12:34:57",
      "dnsmasq-tftp[7]: sent /usr/lib/ipxe/snponly.efi to 192.0.2.100",
    ].map(dhcpNews),
    [
      { what: "asked", mac: "52:54:00:12:34:56" },
      { what: "address", address: "192.0.2.100", mac: "52:54:00:12:34:56" },
      { what: "address", address: "192.0.2.101", mac: "52:54:00:12:34:57" },
      { what: "sent", address: "192.0.2.100", file: "snponly.efi" },
    ],
  );
  assert.equal(dhcpNews("dnsmasq-dhcp[7]: DHCP, proxy on subnet 192.0.2.0"), undefined);
  assert.ok(dnsmasqStarted("dnsmasq[7]: started, version 2.91 DNS disabled"));
  assert.ok(!dnsmasqStarted("dnsmasq-dhcp[7]: started"));
});

test("no line of a log makes it fail, or gives what a terminal would obey", () => {
  const piece = fc.constantFrom(
    "dnsmasq-dhcp[1]: ",
    "PXE(",
    ") ",
    "52:54:00:12:34:56",
    " proxy",
    "dnsmasq-tftp[1]: sent ",
    "/a",
    " to ",
    "192.0.2.1",
    "\u001b[2J",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(fc.oneof(piece, fc.string())).map((parts) => parts.join("")),
  );
  fc.assert(fc.property(text, (line) => /^[\x20-\x7e]*$/.test(Object.values(dhcpNews(line) ?? {}).join(""))));
});
