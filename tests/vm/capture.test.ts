import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { API_PORT } from "../../src/layout/api-places.ts";
import type { AuditEntry } from "../../src/layout/audit-log.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";
import { owner } from "./harness/owned.ts";

const NETWORK =
  '#cloud-config\nhostname: node-7\nnetwork:\n  version: 2\n  ethernets: { all: { match: { name: "e*" }, dhcp4: true } }\n';
const LIMIT_MS = 600_000;
const WORD = "petrify-test-word";
/** What petrify-look may do. Source: linux/capability.h */
const CAPABILITIES = (1n << 2n) | (1n << 13n) | (1n << 19n) | (1n << 34n);

test(
  "packets of a machine are captured over the network, within the bounds of what looks at it; the API's own are left out",
  {
    skip: inTurn(1),
  },
  async () => {
    const made = await fixture({ packages: ["tcpdump"] });
    await using jo = await owner();
    await using booted = await machine(made, {
      disk: { patches: await onOem(made, "machine.yaml", NETWORK) },
      forwards: [jo.forward],
    });
    const { guest } = booted;
    await guest.ready(LIMIT_MS * 2); // its config is compiled meanwhile
    await jo.own(guest);
    const link = await guest.check("basename $(ls -d /sys/class/net/e*)");
    await guest.check(`(while :; do bash -c 'echo ${WORD} >/dev/udp/10.0.2.2/9'; sleep 0.5; done) >/dev/null 2>&1 &`);
    let files = 0;
    const captured = async (...args: string[]): Promise<Buffer> => {
      const file = `${files++}.pcap`;
      const { exitCode, stdout } = await jo.call(["pcap", "-i", link, "-o", file, ...args]);
      assert.equal(exitCode, 0, stdout);
      return await readFile(join(jo.folder, file));
    };

    const words = packetsOf(await captured("--filter", "udp port 9", "--count", "3"));
    assert.equal(words.length, 3);
    for (const packet of words) assert.ok(packet.includes(WORD));
    const own = packetsOf(await captured("--duration", "10s", "--filter", "ip"));
    assert.ok(own.length > 0 && !own.some(isApi), "a capture does not carry itself");
    assert.ok(packetsOf(await captured("--duration", "10s", "--snaplen", "60", "--with-api")).some(isApi));

    const running = captured("--count", "30", "--promiscuous", "-f", "udp port 9");
    await guest.run("until pidof tcpdump >/dev/null; do sleep 0.2; done", LIMIT_MS);
    const status = await guest.check("cat /proc/$(pidof tcpdump)/status");
    assert.match(status, /^Uid:\t6\d{4}\t/m, "it is nobody in particular");
    assert.match(status, /^Seccomp:\t2$/m);
    assert.match(status, new RegExp(`^CapEff:\t${CAPABILITIES.toString(16).padStart(16, "0")}$`, "m"));
    assert.equal(packetsOf(await running).length, 30);
    assert.equal((await guest.run("while pidof tcpdump; do sleep 0.2; done", LIMIT_MS)).status, 0);

    const wrong = await jo.call(["pcap", "-i", link, "-o", "wrong.pcap", "-f", "no such words"]);
    assert.equal(wrong.exitCode, 1);
    assert.equal(wrong.events.at(-1)!["code"], "CAPTURE_FAILED", wrong.stdout);
    const { entries } = await jo.told<{ entries: readonly AuditEntry[] }>("audit", "show");
    const [begun] = entries.flatMap((entry) => (entry.is === "begin" ? [entry] : []));
    assert.deepEqual([begun!.call, begun!.by.name, begun!.by.role], ["POST /capture", "jo", "admin"]);
    assert.match(JSON.stringify(begun!.arguments), /"filter":"udp port 9"/);
    const ends = entries.flatMap((entry) => (entry.is === "end" && entry.of === begun!.n ? [entry.outcome] : []));
    assert.deepEqual(ends, ["done"]);
  },
);

/** Of a connection of the API: TCP in IPv4, in Ethernet. */
function isApi(packet: Buffer): boolean {
  if (packet.readUInt16BE(12) !== 0x0800 || packet[23] !== 6) return false;
  const ports = 14 + (packet[14]! & 15) * 4;
  return [packet.readUInt16BE(ports), packet.readUInt16BE(ports + 2)].includes(API_PORT);
}

/** Of a file in the order of bytes that PCs have. Source: draft-ietf-opsawg-pcap */
function packetsOf(file: Buffer): Buffer[] {
  assert.equal(file.readUInt32LE(0), 0xa1b2c3d4);
  const packets: Buffer[] = [];
  let at = 24;
  while (at < file.length) {
    const size = file.readUInt32LE(at + 8);
    packets.push(file.subarray(at + 16, at + 16 + size));
    at += 16 + size;
  }
  assert.equal(at, file.length, "the file is whole");
  return packets;
}
