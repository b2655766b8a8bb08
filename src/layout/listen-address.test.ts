import assert from "node:assert/strict";
import { test } from "node:test";
import { listenPlan, serverUrl, type InterfaceAddress, type ListenWish } from "./listen-address.ts";

const v4 = (name: string, address: string, loopback = false): InterfaceAddress => ({
  ...{ name, address, netmask: "255.255.255.0", family: "IPv4", loopback },
});
const LO = v4("lo", "127.0.0.1", true);
const ETH0 = v4("eth0", "192.0.2.2");
const ETH0_6: InterfaceAddress = { ...ETH0, address: "fd00::2", netmask: "ffff:ffff:ffff:ffff::", family: "IPv6" };
const ETH1 = v4("eth1", "198.51.100.2");

const plan = (wish: Partial<ListenWish>, all: readonly InterfaceAddress[] = [LO, ETH0, ETH0_6]) => {
  const { address, port, reached, interface: own } = listenPlan({ dhcp: false, ...wish }, all);
  return [address, port, reached.join(" "), own?.name];
};

for (const [says, wish, all, answer] of [
  ["nothing: the one address", {}, undefined, ["192.0.2.2", 8080, "192.0.2.2", "eth0"]],
  ["a port", { listen: "80" }, undefined, ["192.0.2.2", 80, "192.0.2.2", "eth0"]],
  ["an address", { listen: "192.0.2.2" }, undefined, ["192.0.2.2", 8080, "192.0.2.2", "eth0"]],
  ["an address and a port", { listen: "127.0.0.1:0" }, undefined, ["127.0.0.1", 0, "127.0.0.1", "lo"]],
  ["an IPv6 address", { listen: "fd00::2" }, undefined, ["fd00::2", 8080, "fd00::2", "eth0"]],
  ["an IPv6 address and a port", { listen: "[fd00::2]:81" }, undefined, ["fd00::2", 81, "fd00::2", "eth0"]],
  ["every address", { listen: "0.0.0.0:81" }, undefined, ["0.0.0.0", 81, "192.0.2.2", undefined]],
  ["every address of a machine with loopback alone", { listen: "0.0.0.0" }, [LO], ["0.0.0.0", 8080, "127.0.0.1", undefined]],
  ["an interface of several", { interface: "eth1" }, [LO, ETH0, ETH1], ["198.51.100.2", 8080, "198.51.100.2", "eth1"]],
  [
    "an interface and a port",
    { interface: "eth1", listen: "82" },
    [LO, ETH0, ETH1],
    ["198.51.100.2", 82, "198.51.100.2", "eth1"],
  ],
  ["DHCP on the one interface", { dhcp: true }, undefined, ["192.0.2.2", 8080, "192.0.2.2", "eth0"]],
  [
    "DHCP on one, HTTP on all",
    { dhcp: true, interface: "eth1", listen: "0.0.0.0" },
    [LO, ETH0, ETH1],
    ["0.0.0.0", 8080, "198.51.100.2", "eth1"],
  ],
] as const) {
  test(`${says} gives ${answer[0]} port ${answer[1]}`, () => assert.deepEqual(plan(wish, all), answer));
}

for (const [says, wish, all, code] of [
  ["several addresses and none named", {}, [LO, ETH0, ETH1], "INTERFACE_UNCLEAR"],
  ["loopback alone and nothing named", {}, [LO], "INTERFACE_UNCLEAR"],
  ["an interface that is not there", { interface: "eth9" }, undefined, "INTERFACE_UNKNOWN"],
  ["an address that is not there", { listen: "192.0.2.3" }, undefined, "LISTEN_INVALID"],
  ["an address of another interface", { interface: "eth1", listen: "192.0.2.2" }, [LO, ETH0, ETH1], "LISTEN_INVALID"],
  ["no address at all", { listen: "here:80" }, undefined, "LISTEN_INVALID"],
  ["a port that is none", { listen: "192.0.2.2:65536" }, undefined, "LISTEN_INVALID"],
  ["DHCP on loopback", { dhcp: true, interface: "lo" }, undefined, "DHCP_NEEDS_NETWORK"],
  ["DHCP on a loopback address", { dhcp: true, listen: "127.0.0.1:0" }, undefined, "DHCP_NEEDS_NETWORK"],
  ["DHCP on every interface", { dhcp: true, listen: "0.0.0.0" }, undefined, "DHCP_NEEDS_NETWORK"],
  ["DHCP on IPv6", { dhcp: true, listen: "fd00::2" }, undefined, "DHCP_NEEDS_NETWORK"],
] as const) {
  test(`${says} is refused`, () => assert.throws(() => plan(wish, all), { code }));
}

test("a URL has an IPv6 address in brackets", () => {
  assert.equal(serverUrl("192.0.2.2", 80, "/x"), "http://192.0.2.2:80/x");
  assert.equal(serverUrl("fd00::2", 80, "/x"), "http://[fd00::2]:80/x");
});
