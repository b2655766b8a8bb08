import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { z } from "zod";
import { NetworkSection, parseNetwork } from "./network-section.ts";

/** Of YAML without its first line, each problem as `path: message`. */
function problems(yaml: string): string[] {
  const parsed = parseNetwork(parse(`version: 2\n${yaml}`));
  return "problems" in parsed ? parsed.problems.map(({ path, message }) => `${path.join(".")}: ${message}`) : [];
}

const GOOD: Readonly<Record<string, string>> = {
  "a wired interface that asks DHCP": "ethernets: {eth0: {dhcp4: true}}",
  "truth in the words of YAML 1.1": "ethernets: {eth0: {dhcp4: yes, dhcp6: off}}",
  "an address with a label": "ethernets: {eth0: {addresses: [10.0.0.1/24, 10.0.0.2/24: {label: 'eth0:1', lifetime: 0}]}}",
  "a pattern, with a name of its own": "ethernets: {all-en: {match: {name: 'en*'}, dhcp4: true}}",
  "a name of sixteen characters for a match":
    "ethernets: {the-card-on-the-board: {match: {macaddress: '52:54:00:12:34:56'}, set-name: lan0}}",
  "default routes with metrics":
    "ethernets: {a0: {routes: [{to: default, via: 10.0.0.1, metric: 1}]}, b0: {routes: [{to: default, via: 10.1.0.1, metric: 2}]}}",
  "default routes of two families": "ethernets: {a0: {routes: [{to: default, via: 10.0.0.1}, {to: default, via: 'fe80::1'}]}}",
  "default routes of two tables":
    "ethernets: {a0: {routes: [{to: default, via: 10.0.0.1}, {to: 0.0.0.0/0, via: 10.0.0.1, table: 7}]}}",
  "default routes of a vrf and of the machine":
    "ethernets: {a0: {gateway4: 10.0.0.1}, b0: {routes: [{to: default, via: 10.1.0.1}]}}\nvrfs: {red: {table: 7, interfaces: [b0]}}",
  "a vlan on a bridge on a bond":
    "ethernets: {a0: {}, b0: {}}\nbonds: {bond0: {interfaces: [a0, b0], parameters: {mode: active-backup, primary: a0}}}\nbridges: {br0: {interfaces: [bond0], parameters: {path-cost: {bond0: 5}}}}\nvlans: {v7: {id: 7, link: br0}}",
  wireguard: `tunnels: {wg0: {mode: wireguard, key: ${"A".repeat(43)}=, peers: [{keys: {public: ${"A".repeat(42)}E=}, allowed-ips: [0.0.0.0/0], endpoint: 'a.example:51820'}]}}`,
  "a pair": "virtual-ethernets: {a0: {peer: b0}, b0: {peer: a0}}",
  "a wireless network with any name": "wifis: {wl0: {access-points: {'a \"b\\\\ [c]=': {password: '12345678'}}}}",
};
for (const [name, yaml] of Object.entries(GOOD))
  test(`${name}: accepted, and its outcome is, too`, () => {
    assert.deepEqual(problems(yaml), []);
    const once = parseNetwork(parse(`version: 2\n${yaml}`));
    assert.ok("config" in once);
    assert.deepEqual(parseNetwork(once.config), once);
  });

const BAD: readonly [what: string, yaml: string, problem: string | RegExp][] = [
  ["a key with a slip", "ethernets: {eth0: {dhpc4: true}}", 'ethernets.eth0: "dhpc4" is not a key here, did you mean dhcp4?'],
  ["a kind with a slip", "ethernet: {eth0: {}}", ': "ethernet" is not a key here, did you mean ethernets?'],
  ["a key of Open vSwitch", "bridges: {br0: {openvswitch: {}}}", /^bridges\.br0\.openvswitch: Open vSwitch is not set up/],
  ["a modem", "modems: {m0: {}}", /^modems: modems need ModemManager/],
  ["a renderer by link", "ethernets: {eth0: {renderer: networkd}}", /^ethernets\.eth0\.renderer: one program/],
  [
    "a word for a truth value",
    "ethernets: {eth0: {dhcp4: perhaps}}",
    /^ethernets\.eth0\.dhcp4: must be true or false or yes or no/,
  ],
  ["no mapping", "ethernets: {eth0: }", "ethernets.eth0: must be a mapping"],
  [
    "an address without its network",
    "ethernets: {eth0: {addresses: [10.0.0.1]}}",
    /^ethernets\.eth0\.addresses\.0: must be an address and the bits/,
  ],
  ["an address that is none", "ethernets: {eth0: {addresses: [10.0.0.256/24]}}", /addresses\.0: must be an address and/],
  [
    "an address twice",
    "ethernets: {eth0: {addresses: ['fd00::1/64', 'fd00:0::1/64']}}",
    "ethernets.eth0.addresses.1: is there twice",
  ],
  ["a label of IPv6", "ethernets: {eth0: {addresses: ['fd00::1/64': {label: x}]}}", /label: is only for addresses of IPv4/],
  ["a line break in a name", 'ethernets: {"eth0\\n[Network]": {}}', /must be a name: letters.*\(the key\)$/],
  ["a specifier in a name", "bridges: {'br%i': {}}", /must be a name/],
  [
    "a name too long for a bridge",
    "bridges: {a-bridge-of-a-name: {}}",
    /^bridges\.a-bridge-of-a-name: must be a name that an interface may have/,
  ],
  ["a name too long without a match", "ethernets: {a-card-of-a-long-name: {}}", /without `match` must be a name/],
  [
    "a new name without a match",
    "ethernets: {eth0: {set-name: lan0}}",
    "ethernets.eth0.set-name: needs `match`, which says what gets the name",
  ],
  [
    "one name for two",
    "ethernets: {a: {match: {driver: x}, set-name: lan0}, b: {match: {driver: y}, set-name: lan0}}",
    "ethernets.b: is the interface lan0, as ethernets.a is",
  ],
  ["one name in two kinds", "ethernets: {br0: {}}\nbridges: {br0: {}}", "bridges.br0: is described in ethernets, too"],
  [
    "a link that is not there",
    "ethernets: {eth0: {}}\nbonds: {bond0: {interfaces: [eth1]}}",
    /^bonds\.bond0\.interfaces\.0: names a link that is described nowhere, did you mean eth0\?/,
  ],
  ["a vlan on nothing", "vlans: {v1: {id: 1, link: eth9}}", /^vlans\.v1\.link: names a link that is described nowhere/],
  ["a vlan without a number", "ethernets: {eth0: {}}\nvlans: {v1: {link: eth0}}", "vlans.v1.id: is missing"],
  ["a number of a vlan", "ethernets: {eth0: {}}\nvlans: {v1: {id: 4095, link: eth0}}", "vlans.v1.id: must be 0 … 4094"],
  [
    "a link in two bonds",
    "ethernets: {eth0: {}}\nbonds: {bond0: {interfaces: [eth0]}, bond1: {interfaces: [eth0]}}",
    "bonds.bond1.interfaces.0: names eth0, which is part of bond0 already",
  ],
  [
    "a link twice",
    "ethernets: {eth0: {}}\nbridges: {br0: {interfaces: [eth0, eth0]}}",
    "bridges.br0.interfaces.1: names eth0 twice",
  ],
  ["a bridge of bridges", "bridges: {br0: {}, br1: {interfaces: [br0]}}", /names br0, which cannot be part of one/],
  ["a circle", "vlans: {v1: {id: 1, link: v2}, v2: {id: 2, link: v1}}", "vlans.v2.link: names v1, which is made of v2: a circle"],
  [
    "a circle over kinds",
    "bonds: {bond0: {interfaces: [v1]}}\nvlans: {v1: {id: 1, link: bond0}}",
    "vlans.v1.link: names bond0, which is made of v1: a circle",
  ],
  [
    "two default routes",
    "ethernets: {a0: {gateway4: 10.0.0.1}, b0: {routes: [{to: default, via: 10.1.0.1}]}}",
    "ethernets.b0.routes.0: is a second default route of IPv4 in the same table, after that of a0: give one a metric",
  ],
  ["a default of no family", "ethernets: {a0: {routes: [{to: default, scope: link}]}}", /routes\.0: needs via or from/],
  [
    "a route of two families",
    "ethernets: {a0: {routes: [{to: 10.0.0.0/8, via: 'fd00::1'}]}}",
    /routes\.0\.via: is of another family/,
  ],
  ["a route to nowhere in particular", "ethernets: {a0: {routes: [{via: 10.0.0.1}]}}", "ethernets.a0.routes.0.to: is missing"],
  ["a policy about nothing", "ethernets: {a0: {routing-policy: [{table: 7}]}}", /routing-policy\.0: needs from, to or mark/],
  [
    "another table than the vrf's",
    "vrfs: {red: {table: 7, routes: [{to: default, via: 10.0.0.1, table: 8}]}}",
    /routes\.0\.table: must be that of the vrf/,
  ],
  [
    "a primary that is none",
    "ethernets: {a0: {}}\nbonds: {bond0: {interfaces: [a0], parameters: {mode: active-backup, primary: b0}}}",
    /must be one of the bond's interfaces/,
  ],
  [
    "a primary in a mode without",
    "ethernets: {a0: {}}\nbonds: {bond0: {interfaces: [a0], parameters: {primary: a0}}}",
    /is only for the modes active-backup/,
  ],
  [
    "a cost of no port",
    "bridges: {br0: {parameters: {path-cost: {eth0: 5}}}}",
    /path-cost\.eth0: is none of the bridge's interfaces/,
  ],
  ["both spellings", "bonds: {bond0: {parameters: {gratuitous-arp: 1, gratuitious-arp: 1}}}", /is there beside gratuitous-arp/],
  [
    "a short passphrase",
    "wifis: {wl0: {access-points: {home: {password: short}}}}",
    /access-points\.home\.password: must be 8 … 63 characters/,
  ],
  [
    "a passphrase of two lines",
    'wifis: {wl0: {access-points: {home: {password: "12345678\\n}"}}}}',
    /password: must be one line/,
  ],
  ["no wireless network", "wifis: {wl0: {access-points: {}}}", "wifis.wl0.access-points: must name a wireless network"],
  ["wireless networks left out", "wifis: {wl0: {dhcp4: true}}", "wifis.wl0.access-points: is missing"],
  [
    "TLS without a certificate",
    "ethernets: {e0: {auth: {key-management: 802.1x, method: tls}}}",
    /auth: needs client-certificate and client-key/,
  ],
  ["a tunnel without another end", "tunnels: {t0: {mode: gre, local: 10.0.0.1}}", "tunnels.t0: needs remote with mode: gre"],
  [
    "a tunnel of the other family",
    "tunnels: {t0: {mode: sit, remote: 'fd00::1'}}",
    /remote: must be an address of IPv4 with mode: sit/,
  ],
  ["a key of another tunnel", "tunnels: {t0: {mode: sit, remote: 10.0.0.1, key: 7}}", "tunnels.t0.key: is not for mode: sit"],
  ["wireguard without a key", "tunnels: {wg0: {mode: wireguard}}", "tunnels.wg0: needs key: the private key"],
  ["wireguard with a number", "tunnels: {wg0: {mode: wireguard, key: 7}}", /^tunnels\.wg0\.key: must be a key of WireGuard/],
  [
    "a vxlan's key elsewhere",
    "tunnels: {t0: {mode: sit, remote: 10.0.0.1, arp-proxy: true}}",
    "tunnels.t0.arp-proxy: is only for mode: vxlan",
  ],
  [
    "a pair of three",
    "virtual-ethernets: {a0: {peer: b0}, b0: {peer: c0}, c0: {peer: b0}}",
    "virtual-ethernets.a0.peer: names b0, whose peer is not a0",
  ],
  ["a domain with a line break", 'ethernets: {a0: {nameservers: {search: ["a\\nb"]}}}', /search\.0: must be a domain/],
];
for (const [what, yaml, problem] of BAD)
  test(`${what}: refused, with the place`, () => {
    const found = problems(yaml);
    assert.ok(
      found.some((one) => (typeof problem === "string" ? one === problem : problem.test(one))),
      `${found.join("\n") || "nothing"} is not ${problem}`,
    );
  });

test("the version has to be 2", () => {
  for (const value of [{}, { version: 1 }, { version: "2" }, null, [], "network", 7])
    assert.ok("problems" in parseNetwork(value));
});

test("whatever stands there is accepted or refused, never thrown at", () => {
  const key = fc.constantFrom(
    "eth0",
    "version",
    "ethernets",
    "bonds",
    "interfaces",
    "routes",
    "to",
    "__proto__",
    "constructor",
    "toString",
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6 },
      fc.anything(),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.oneof(key, fc.string()), tie("tree"), { maxKeys: 4 }),
    ),
  }));
  const kinds = ["ethernets", "wifis", "bonds", "bridges", "vlans", "vrfs", "tunnels", "virtual-ethernets", "dummy-devices"];
  const described = fc.dictionary(
    fc.constantFrom(...kinds),
    fc.dictionary(fc.constantFrom("a0", "b0", "__proto__"), tree, { maxKeys: 2 }),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        tree,
        described.map((links) => ({ version: 2, ...links })),
      ),
      (value) => {
        const parsed = parseNetwork(value);
        assert.ok("config" in parsed || parsed.problems.length > 0);
      },
    ),
    { numRuns: 1500 },
  );
});

test("a problem never tells a secret", () => {
  const secret = "s3cr3t-s3cr3t\u0001";
  const places = [
    `wifis: {wl0: {access-points: {home: {password: ${JSON.stringify(secret)}}}}}`,
    `wifis: {wl0: {access-points: {home: {auth: {key-management: ${JSON.stringify(secret)}, password: ${JSON.stringify(secret)}}}}}}`,
    `tunnels: {wg0: {mode: wireguard, key: ${JSON.stringify(secret)}, peers: [{keys: {public: ${JSON.stringify(secret)}, shared: ${JSON.stringify(secret)}}}]}}`,
  ];
  for (const yaml of places) {
    const found = problems(yaml);
    assert.notEqual(found.length, 0);
    assert.ok(!found.join("\n").includes("s3cr3t"), found.join("\n"));
  }
});

test("thousands of links in a chain are judged in time", () => {
  const vlans = Object.fromEntries(Array.from({ length: 4000 }, (_, index) => [`v${index}`, { id: 1, link: `v${index + 1}` }]));
  const parsed = parseNetwork({ version: 2, vlans, ethernets: { v4000: {} } });
  assert.ok("config" in parsed);
});

test("an editor is told of every kind of link, and which values are secrets", () => {
  const schema = z.toJSONSchema(NetworkSection, { target: "draft-7", io: "input" });
  assert.ok(["ethernets", "wifis", "bonds", "tunnels"].every((kind) => schema.properties?.[kind] !== undefined));
  assert.ok(JSON.stringify(schema).split('"secret":true').length > 5);
});
