import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parse } from "yaml";
import { gunzip } from "../../host/gunzip.ts";
import { effectiveConfig } from "./merge.ts";
import { parseDocument } from "./parse.ts";
import { problemText } from "./problems.ts";

/** What documents whose `network` this is come to, and what is told. */
function outcome(...networks: readonly string[]): { readonly network: unknown; readonly told: readonly string[] } {
  const documents = networks.map((text, index) =>
    parseDocument(`#cloud-config\nhostname: a\nnetwork:\n${text.replaceAll(/^/gm, "  ")}\n`, `${"mn"[index]}.yaml`),
  );
  const { config, problems } = effectiveConfig(documents, gunzip);
  assert.equal(config.hostname, "a", "the rest is used");
  return { network: config.network, told: [...documents.flatMap((document) => document.problems), ...problems].map(problemText) };
}
const WG = `key: ${"A".repeat(43)}=`;
const peer = (end: string, more = ""): string =>
  `{ keys: { public: ${"A".repeat(41)}${end}E= }, allowed-ips: [10.0.0.0/8]${more} }`;

suite("at boot only what is wrong is left out of a network, and what would be something else without it", () => {
  /** As YAML without `version`; the rest is what is used. */
  const cases: readonly (readonly [what: string, written: string, rest: string | undefined, problem: RegExp])[] = [
    [
      "a key with a slip",
      "ethernets: {a0: {dhpc4: true, mtu: 1400}}",
      "ethernets: {a0: {mtu: 1400}}",
      /a0\.dhpc4: .*did you mean dhcp4/,
    ],
    ["a value of another kind", "ethernets: {a0: {dhcp4: true, mtu: big}}", "ethernets: {a0: {dhcp4: true}}", /a0\.mtu: must be/],
    [
      "a key that is refused",
      "ethernets: {a0: {dhcp4: true, openvswitch: {}}}",
      "ethernets: {a0: {dhcp4: true}}",
      /Open vSwitch/,
    ],
    ["a section that is refused", "ethernets: {a0: {}}\nmodems: {m: {}}", "ethernets: {a0: {}}", /modems need/],
    ["a renderer that is not known", "renderer: wicked\nethernets: {a0: {}}", "ethernets: {a0: {}}", /renderer: must be/],
    [
      "one address",
      "ethernets: {a0: {addresses: [10.0.0.1, 10.0.0.2/24]}}",
      "ethernets: {a0: {addresses: [10.0.0.2/24]}}",
      /addresses\[0\]/,
    ],
    [
      "the second of an address twice",
      "ethernets: {a0: {addresses: [10.0.0.2/24, 10.0.0.2/24]}}",
      "ethernets: {a0: {addresses: [10.0.0.2/24]}}",
      /twice/,
    ],
    [
      "an option of an address",
      "ethernets: {a0: {addresses: [10.0.0.2/24: {lifetime: 5}]}}",
      "ethernets: {a0: {addresses: [10.0.0.2/24: {}]}}",
      /lifetime/,
    ],
    [
      "the label of an address of IPv6",
      "ethernets: {a0: {addresses: ['fd00::1/64': {label: x}]}}",
      "ethernets: {a0: {addresses: ['fd00::1/64': {}]}}",
      /label: is only for/,
    ],
    [
      "one name server",
      "ethernets: {a0: {nameservers: {addresses: [x, 10.0.0.1]}}}",
      "ethernets: {a0: {nameservers: {addresses: [10.0.0.1]}}}",
      /addresses\[0\]/,
    ],
    [
      "an override",
      "ethernets: {a0: {dhcp4-overrides: {use-dns: perhaps, use-ntp: no}}}",
      "ethernets: {a0: {dhcp4-overrides: {use-ntp: false}}}",
      /use-dns/,
    ],
    ["one link", "ethernets: {a0: {dhcp4: true}, b0: 5}", "ethernets: {a0: {dhcp4: true}}", /b0: must be a mapping/],
    [
      "a link with a name that it cannot have",
      "ethernets: {a0: {}}\nbridges: {a-bridge-of-a-name: {}}",
      "ethernets: {a0: {}}\nbridges: {}",
      /must be a name that/,
    ],
    [
      "one that is there in another kind",
      "ethernets: {a0: {}}\nbridges: {a0: {}}",
      "ethernets: {a0: {}}\nbridges: {}",
      /described in ethernets, too/,
    ],
    [
      "a link by a match: it could be any",
      "ethernets: {a0: {}, b: {match: {macaddres: '52:54:00:12:34:56'}}}",
      "ethernets: {a0: {}}",
      /match\.macaddres/,
    ],
    ["a link that was not to be up", "ethernets: {a0: {}, b0: {activation-mode: of}}", "ethernets: {a0: {}}", /activation-mode/],
    [
      "a link whose wire asks who it is",
      "ethernets: {a0: {}, b0: {auth: {key-management: eap-x}}}",
      "ethernets: {a0: {}}",
      /key-management/,
    ],
    [
      "a route, whatever of it is wrong",
      "ethernets: {a0: {routes: [{to: 10.1.0.0/16, via: 10.0.0.1, tabel: 7}, {to: default, via: 10.0.0.1}]}}",
      "ethernets: {a0: {routes: [{to: default, via: 10.0.0.1}]}}",
      /tabel.*did you mean table/,
    ],
    [
      "the second default route",
      "ethernets: {a0: {gateway4: 10.0.0.1}, b0: {dhcp4: true, routes: [{to: default, via: 10.1.0.1}]}}",
      "ethernets: {a0: {gateway4: 10.0.0.1}, b0: {dhcp4: true, routes: []}}",
      /second default route/,
    ],
    [
      "a rule",
      "ethernets: {a0: {routing-policy: [{from: 10.0.0.0/8, tabel: 7}]}}",
      "ethernets: {a0: {routing-policy: []}}",
      /tabel/,
    ],
    [
      "a wireless network: without its password it would be open",
      "wifis: {w0: {access-points: {x: {pasword: hunter2-hunter2}, y: {password: hunter2-hunter2}}}}",
      "wifis: {w0: {access-points: {y: {password: hunter2-hunter2}}}}",
      /x\.pasword/,
    ],
    [
      "the last of them, with its link",
      "wifis: {w0: {access-points: {x: {password: short}}}}\nethernets: {a0: {}}",
      "wifis: {}\nethernets: {a0: {}}",
      /must be 8/,
    ],
    [
      "a member that is described nowhere",
      "ethernets: {a0: {}}\nbonds: {bond0: {dhcp4: true, interfaces: [a0, a1]}}",
      "ethernets: {a0: {}}\nbonds: {bond0: {dhcp4: true, interfaces: [a0]}}",
      /interfaces\[1\]/,
    ],
    [
      "a member of a bond that is left out, from the bond",
      "ethernets: {a0: {}, a1: 5}\nbonds: {bond0: {interfaces: [a0, a1]}}",
      "ethernets: {a0: {}}\nbonds: {bond0: {interfaces: [a0]}}",
      /a1: must be a mapping/,
    ],
    [
      "a parameter of a bond",
      "ethernets: {a0: {}}\nbonds: {bond0: {interfaces: [a0], parameters: {mode: best, min-links: 1}}}",
      "ethernets: {a0: {}}\nbonds: {bond0: {interfaces: [a0], parameters: {min-links: 1}}}",
      /mode/,
    ],
    [
      "a vlan without a number",
      "ethernets: {a0: {}}\nvlans: {v1: {id: x, link: a0}, v2: {id: 2, link: a0}}",
      "ethernets: {a0: {}}\nvlans: {v2: {id: 2, link: a0}}",
      /v1\.id/,
    ],
    [
      "a vlan on what is left out",
      "ethernets: {a0: {}, b0: 5}\nvlans: {v1: {id: 1, link: b0}, v2: {id: 2, link: a0}}",
      "ethernets: {a0: {}}\nvlans: {v2: {id: 2, link: a0}}",
      /b0: must be a mapping/,
    ],
    [
      "a circle",
      "vlans: {v1: {id: 1, link: v2}, v2: {id: 2, link: v1}}\nethernets: {a0: {}}",
      "vlans: {}\nethernets: {a0: {}}",
      /a circle/,
    ],
    [
      "one of a pair, and the other",
      "virtual-ethernets: {a0: {peer: b0, mtu: 1400}, b0: 5}\nethernets: {c0: {}}",
      "virtual-ethernets: {}\nethernets: {c0: {}}",
      /b0: must be/,
    ],
    [
      "a vrf, and what is in it: they would no longer be apart",
      "ethernets: {a0: {}, b0: {}}\nvrfs: {red: {table: x, interfaces: [b0]}}",
      "ethernets: {a0: {}}\nvrfs: {}",
      /red\.table/,
    ],
    [
      "a vrf whose interfaces are no list",
      "ethernets: {a0: {}, b0: {}}\nvrfs: {red: {table: 7, interfaces: b0}}",
      "ethernets: {a0: {}}\nvrfs: {}",
      /red\.interfaces/,
    ],
    [
      "a peer",
      `tunnels: {wg0: {mode: wireguard, ${WG}, peers: [${peer("A", ", keep-alive: 5")}, ${peer("B")}]}}`,
      `tunnels: {wg0: {mode: wireguard, ${WG}, peers: [${peer("B")}]}}`,
      /keep-alive/,
    ],
    [
      "a tunnel that would lead elsewhere",
      "ethernets: {a0: {}}\ntunnels: {t0: {mode: gre, remote: 10.0.0.1, local: x}}",
      "ethernets: {a0: {}}\ntunnels: {}",
      /t0\.local/,
    ],
    [
      "an address of a tunnel",
      "tunnels: {t0: {mode: gre, remote: 10.0.0.1, addresses: [x]}}",
      "tunnels: {t0: {mode: gre, remote: 10.0.0.1, addresses: []}}",
      /addresses\[0\]/,
    ],
    [
      "a section that is no mapping",
      "ethernets: [a0]\nbridges: {br0: {}}",
      "bridges: {br0: {}}",
      /ethernets: must be a mapping, found a list/,
    ],
    ["all of it, of another version", "version: 3\nethernets: {a0: {}}", undefined, /version: must be 2/],
  ];
  for (const [what, written, rest, problem] of cases) {
    test(what, () => {
      const { network, told } = outcome(written.startsWith("version") ? written : `version: 2\n${written}`);
      assert.deepEqual(network, rest === undefined ? undefined : { version: 2, ...(parse(rest) as object) });
      assert.ok(
        told.some((one) => problem.test(one)),
        told.join("\n"),
      );
    });
  }

  test("a chain that hangs on something wrong takes the network with it, never the document", () => {
    const vlans = Array.from({ length: 300 }, (_, index) => `v${index}: {id: 1, link: v${index + 1}}`);
    assert.equal(outcome(`version: 2\nvlans: {${vlans.join(", ")}}`).network, undefined);
  });
});

test("what is wrong in a network is told with its place, its path and what was probably meant", () => {
  assert.deepEqual(outcome("version: 2\nethernets:\n  eth0:\n    dhpc4: true\n    addresses: [10.0.0.1]").told, [
    "m.yaml:7:7: network.ethernets.eth0.dhpc4: is not a key here, did you mean dhcp4?",
    "m.yaml:8:19: network.ethernets.eth0.addresses[0]: must be an address and the bits of its network, such as 192.0.2.7/24",
  ]);
});

test("parts of a network may stand in several documents; what they have to do with each other is judged together", () => {
  const link = "version: 2\nethernets: {a0: {addresses: [10.0.0.1/24]}}";
  const { network, told } = outcome(
    link,
    "version: 2\nethernets: {a0: {addresses: [10.0.0.2/24]}}\nvlans: {v1: {id: 1, link: a0}}",
  );
  assert.deepEqual(told, []);
  assert.deepEqual(network, {
    version: 2,
    ethernets: { a0: { addresses: ["10.0.0.1/24", "10.0.0.2/24"] } },
    vlans: { v1: { id: 1, link: "a0" } },
  });
  assert.deepEqual(outcome(link, "version: 2\nvlans: {v1: {id: 1, link: b0}}").told, [
    "n.yaml:5:29: network.vlans.v1.link: names a link that is described nowhere, did you mean a0?",
  ]);
});
