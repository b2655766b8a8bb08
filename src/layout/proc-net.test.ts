import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { parseRoutes4, parseRoutes6, parseSockets } from "./proc-net.ts";

suite("routes", () => {
  test("of IPv4 are read, and those that are not up are not", () => {
    const text = [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT      ",
      "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0   ",
      "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0     ",
      "eth1\t000200C0\t00000000\t0000\t0\t0\t0\t00FFFFFF\t0\t0\t0",
      "*\t0000000A\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0",
      "",
    ].join("\n");
    assert.deepEqual(parseRoutes4(text), [
      { to: "default", gateway: "192.0.2.1", link: "eth0", metric: 100 },
      { to: "192.0.2.0/24", gateway: "", link: "eth0", metric: 0 },
    ]);
  });

  test("of IPv6 are read, without the machine's own addresses and multicast", () => {
    const none = "0".repeat(32);
    const text = [
      `fd000000000000000000000000000000 40 ${none} 00 ${none} 00000100 00000001 00000000 00000001     eth0`,
      `${none} 00 ${none} 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0`,
      `fd000000000000000000000000000002 80 ${none} 00 ${none} 00000000 00000003 00000000 80200001     eth0`,
      `ff000000000000000000000000000000 08 ${none} 00 ${none} 00000100 00000003 00000000 00000001     eth0`,
      `${none} 00 ${none} 00 ${none} ffffffff 00000001 00000000 00200200       lo`,
    ].join("\n");
    assert.deepEqual(parseRoutes6(text), [
      { to: "fd00::/64", gateway: "", link: "eth0", metric: 256 },
      { to: "default", gateway: "fd00::1", link: "eth0", metric: 1024 },
    ]);
  });
});

suite("sockets", () => {
  const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
  const rest = "00000000:00000000 00:00000000 00000000";
  test("of TCP are read, with their states", () => {
    const text = `${head}   0: 00000000:07E8 00000000:0000 0A ${rest}     0        0 1065 1 00000000bfd330d9 100 0 0 10 0\n`;
    assert.deepEqual(parseSockets(text, "tcp"), [{ local: "0.0.0.0:2024", remote: "", state: "listen", uid: 0, inode: 1065 }]);
  });

  test("of IPv6 have its addresses, as everybody writes them", () => {
    for (const [hex, address] of [
      ["00000000000000000000000001000000", "::1"],
      ["0000000000000000FFFF0000070200C0", "::ffff:192.0.2.7"],
      ["000000FD000000000000000002000000", "fd00::2"],
      ["B80D0120000001000000000001000000", "2001:db8:1::1"],
    ] as const) {
      const text = `   1: ${hex}:0016 ${hex}:D431 01 ${rest}  1000        0 77 1 x 1\n`;
      const [socket] = parseSockets(text, "tcp");
      assert.deepEqual([socket?.local, socket?.remote], [`[${address}]:22`, `[${address}]:54321`]);
      assert.deepEqual([socket?.state, socket?.uid], ["established", 1000]);
    }
  });

  test("of UDP are open, or connected", () => {
    const text = ["07", "01"].map((state) => `  9: 0100007F:0035 00000000:0000 ${state} ${rest} 101 0 12 2 x 0`).join("\n");
    assert.deepEqual(
      parseSockets(text, "udp").map(({ state }) => state),
      ["open", "connected"],
    );
  });
});

test("any text is read", () => {
  const part = fc.oneof(fc.string(), fc.constantFrom("eth0", "\t", " ", "00000000", "0".repeat(32), ":0016", "0A", "0003", "\n"));
  fc.assert(
    fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
      const text = parts.join("");
      for (const { metric } of [...parseRoutes4(text), ...parseRoutes6(text)]) assert.ok(Number.isSafeInteger(metric));
      for (const { uid } of parseSockets(text, "tcp")) assert.ok(Number.isSafeInteger(uid));
    }),
  );
});
