import assert from "node:assert/strict";
import { test } from "node:test";
import { droppedPackets, tcpdumpArguments, type CaptureQuery } from "./tcpdump.ts";

const QUERY: CaptureQuery = { link: "eth0", filter: "", withApi: false, promiscuous: false, snaplen: 96 };
const FIRST = ["tcpdump", "--interface=eth0", "-n", "-U", "-w-", "--buffer-size=4096", "--snapshot-length=96"];

for (const [what, query, expected] of [
  ["leaves the API's connections out", {}, ["--no-promiscuous-mode", "--", "not tcp port 50000"]],
  [
    "has the filter behind that",
    { filter: "vlan 5 or icmp" },
    ["--no-promiscuous-mode", "--", "not tcp port 50000 and (vlan 5 or icmp)"],
  ],
  ["takes everything", { withApi: true, promiscuous: true }, ["--"]],
  ["ends after so many", { count: 3, withApi: true, promiscuous: true, filter: "arp" }, ["-c3", "--", "(arp)"]],
  [
    "takes no filter for an option",
    { filter: "--postrotate-command=x", withApi: true },
    ["--no-promiscuous-mode", "--", "(--postrotate-command=x)"],
  ],
] as const) {
  test(`a capture ${what}`, () => assert.deepEqual(tcpdumpArguments({ ...QUERY, ...query }, 50_000), [...FIRST, ...expected]));
}

for (const [line, dropped] of [
  ["7 packets dropped by kernel", 7],
  ["tcpdump: 3 packets captured, 6 packets received by filter, 1 packet dropped by kernel", 1],
  ["3 packets captured", undefined],
] as const) {
  test(`${JSON.stringify(line)} tells of ${dropped} dropped packets`, () => assert.equal(droppedPackets(line), dropped));
}
