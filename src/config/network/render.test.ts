import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { NETWORKS } from "../../../tests/support/networks.ts";
import { renderIfupdown } from "./ifupdown.ts";
import type { NetworkConfig } from "./netplan.ts";
import { parseNetwork } from "./network-section.ts";
import { renderNetworkManager } from "./network-manager.ts";
import { renderNetworkd } from "./networkd.ts";
import type { RenderedNetwork } from "./rendered.ts";

const RENDER = { networkd: renderNetworkd, networkmanager: renderNetworkManager, ifupdown: renderIfupdown };
const ALL = Object.entries(RENDER);

function configOf(yaml: string): NetworkConfig {
  const parsed = parseNetwork({ version: 2, ...(parse(yaml) as object) });
  assert.ok("config" in parsed, JSON.stringify(parsed));
  return parsed.config;
}
const texts = (rendered: RenderedNetwork): Record<string, string> =>
  Object.fromEntries(rendered.files.map(({ path, text }) => [path, text.split("\n").slice(1).join("\n")]));

test("networkd: a bond of two cards, with a virtual network on it", () => {
  const rendered = renderNetworkd(
    configOf(`
ethernets: {eth0: {}, eth1: {optional: true}}
bonds: {bond0: {interfaces: [eth0, eth1], dhcp4: true, parameters: {mode: active-backup, primary: eth1}}}
vlans: {v7: {id: 7, link: bond0, addresses: [192.0.2.7/24]}}
`),
  );
  assert.deepEqual(texts(rendered), {
    "/etc/systemd/network/10-petrify-eth0.network": "[Match]\nName=eth0\n\n[Network]\nLinkLocalAddressing=no\nBond=bond0\n",
    "/etc/systemd/network/10-petrify-eth1.network":
      "[Match]\nName=eth1\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nLinkLocalAddressing=no\nBond=bond0\nPrimarySlave=yes\n",
    "/etc/systemd/network/10-petrify-bond0.netdev": "[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMode=active-backup\n",
    "/etc/systemd/network/10-petrify-bond0.network":
      "[Match]\nName=bond0\n\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=ipv6\nConfigureWithoutCarrier=yes\nVLAN=v7\n\n[DHCPv4]\nRouteMetric=100\nUseMTU=yes\n",
    "/etc/systemd/network/10-petrify-v7.netdev": "[NetDev]\nName=v7\nKind=vlan\n\n[VLAN]\nId=7\n",
    "/etc/systemd/network/10-petrify-v7.network":
      "[Match]\nName=v7\n\n[Network]\nLinkLocalAddressing=ipv6\nAddress=192.0.2.7/24\nConfigureWithoutCarrier=yes\n",
  });
});

test("networkd: files of one interface come before those of several", () => {
  const paths = Object.keys(
    texts(renderNetworkd(configOf("ethernets: {all: {match: {name: 'e*'}}, b: {match: {name: eth1}}, zz: {}}"))),
  );
  assert.deepEqual(paths.toSorted(), [
    "/etc/systemd/network/10-petrify-b.network",
    "/etc/systemd/network/10-petrify-zz.network",
    "/etc/systemd/network/11-petrify-all.network",
  ]);
});

test("what holds keys can be read by nobody else", () => {
  for (const [renderer, render] of ALL)
    for (const { yaml } of Object.values(NETWORKS))
      for (const { path, mode, text, owner } of render(configOf(yaml)).files)
        if (/PrivateKey=|PresharedKey=|psk=|password=/i.test(text))
          assert.ok(
            mode === 0o600 || (mode === 0o640 && owner === "root:systemd-network"),
            `${renderer}: ${path} ${mode.toString(8)}`,
          );
});

test("ifupdown: links are made in the order in which they stand on each other", () => {
  const rendered = renderIfupdown(
    configOf(`
vlans: {v7: {id: 7, link: br0, addresses: [192.0.2.7/24, "2001:db8::7/64"], routes: [{to: default, via: 192.0.2.1}, {to: default, via: "2001:db8::1", metric: 5}]}}
bridges: {br0: {interfaces: [bond0], parameters: {stp: false, forward-delay: 4, path-cost: {bond0: 9}}}}
bonds: {bond0: {interfaces: [eth0], parameters: {mode: active-backup, mii-monitor-interval: 100ms, primary: eth0}}}
ethernets: {eth0: {mtu: 1400}, eth1: {dhcp4: true}}
`),
  );
  assert.deepEqual(rendered.unsupported, []);
  assert.equal(
    texts(rendered)["/etc/network/interfaces"],
    `auto lo
iface lo inet loopback

auto eth0
iface eth0 inet manual
    pre-up ip link set dev eth0 mtu 1400

auto eth1
iface eth1 inet dhcp

auto bond0
iface bond0 inet manual
    pre-up ip link add name bond0 type bond || true
    post-down ip link del dev bond0 || true
    pre-up echo active-backup > /sys/class/net/bond0/bonding/mode
    pre-up echo 100 > /sys/class/net/bond0/bonding/miimon
    pre-up ip link set dev eth0 down
    pre-up ip link set dev eth0 master bond0
    pre-up ip link set dev eth0 up
    pre-up echo eth0 > /sys/class/net/bond0/bonding/primary

auto br0
iface br0 inet manual
    pre-up ip link add name br0 type bridge || true
    post-down ip link del dev br0 || true
    pre-up echo 0 > /sys/class/net/br0/bridge/stp_state
    pre-up echo 400 > /sys/class/net/br0/bridge/forward_delay
    pre-up ip link set dev bond0 down
    pre-up ip link set dev bond0 master br0
    pre-up ip link set dev bond0 up
    pre-up echo 9 > /sys/class/net/bond0/brport/path_cost
    up ip link set dev br0 up

auto v7
iface v7 inet static
    pre-up ip link add link br0 name v7 type vlan id 7 || true
    post-down ip link del dev v7 || true
    address 192.0.2.7/24
iface v7 inet6 static
    address 2001:db8::7/64
    up ip route add default via 192.0.2.1 dev v7
    up ip -6 route add default via 2001:db8::1 dev v7 metric 5
`,
  );
});

const CANNOT: readonly [renderer: keyof typeof RENDER, yaml: string, problem: RegExp][] = [
  ["ifupdown", "tunnels: {t0: {mode: gre, remote: 192.0.2.1}}", /^tunnels\.t0: cannot be made with ifupdown/],
  ["ifupdown", "ethernets: {a: {match: {macaddress: '52:54:00:12:34:56'}}}", /^ethernets\.a\.match: must be a name/],
  [
    "ifupdown",
    "ethernets: {a: {dhcp4: true, dhcp4-overrides: {use-dns: false}}}",
    /^ethernets\.a\.dhcp4-overrides: cannot be done/,
  ],
  ["ifupdown", "ethernets: {a: {wakeonlan: true}}", /^ethernets\.a\.wakeonlan: cannot be done/],
  ["networkmanager", "tunnels: {t0: {mode: gre, remote: 192.0.2.1}}", /^tunnels\.t0: cannot be made with NetworkManager/],
  ["networkmanager", "ethernets: {a: {activation-mode: 'off'}}", /^ethernets\.a\.activation-mode: can only be manual/],
  ["networkmanager", "ethernets: {a: {dhcp4: true, dhcp4-overrides: {use-ntp: false}}}", /use-ntp: cannot be done/],
  ["networkmanager", "ethernets: {a: {addresses: [192.0.2.1/24: {label: x}]}}", /addresses\.0: cannot have options/],
  ["networkd", "wifis: {w: {access-points: {own: {mode: ap, password: '12345678'}}}}", /mode: is an access point of one's own/],
  ["networkd", "wifis: {w: {match: {driver: x}, access-points: {a: {}}}}", /^wifis\.w: may be any interface/],
];
for (const [renderer, yaml, problem] of CANNOT)
  test(`${renderer} does not do ${yaml}: told, and left out`, () => {
    const { unsupported } = RENDER[renderer](configOf(yaml));
    assert.match(unsupported.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n"), problem);
  });

/** Every text in a value, keys of mappings included, one at a time replaced. */
function* withText(value: unknown, text: string): Generator {
  if (typeof value === "string") yield text;
  else if (Array.isArray(value))
    for (const [index, item] of value.entries()) for (const changed of withText(item, text)) yield value.with(index, changed);
  else if (typeof value === "object" && value !== null)
    for (const [key, item] of Object.entries(value)) {
      yield Object.fromEntries(Object.entries(value).map(([name, one]) => [name === key ? text : name, one]));
      for (const changed of withText(item, text)) yield { ...value, [key]: changed };
    }
}

const HOSTILE = [
  "x\n[Injected]\nAddress=6.6.6.6/8",
  "x\r[Injected]",
  "eth0\u0000",
  "a\n    up rm -rf /srv",
  'q"\n  evil="1',
  "10.0.0.1/24\n    up evil",
];

test("no text of a description, wherever it stands, ends a line: it is refused, by the checks and once more by what writes", () => {
  let places = 0;
  for (const { yaml } of Object.values(NETWORKS)) {
    const good = { version: 2, ...(parse(yaml) as object) };
    const hostile = HOSTILE.map((text) => [...withText(good, text)]);
    for (let place = 0; place < hostile[0]!.length; place++) {
      const text = HOSTILE[places++ % HOSTILE.length]!;
      const value = hostile[HOSTILE.indexOf(text)]![place];
      const parsed = parseNetwork(value);
      if ("config" in parsed) for (const [, render] of ALL) assertWhole(render, parsed.config, text);
      // Nobody has checked it: what is written must not depend on that.
      for (const [, render] of ALL) assertWhole(render, value as NetworkConfig, text);
    }
  }
  assert.ok(places > 500);
});

function assertWhole(render: (config: NetworkConfig) => RenderedNetwork, config: NetworkConfig, text: string): void {
  let rendered: RenderedNetwork;
  try {
    rendered = render(config);
  } catch {
    return; // refused
  }
  for (const file of rendered.files) {
    const lines = file.text.split("\n");
    for (const part of text.split(/[\n\r]/).slice(1))
      if (part.trim() !== "") assert.ok(!lines.includes(part), `${file.path} has the line ${part}`);
    // eslint-disable-next-line no-control-regex -- that is what must not be there
    assert.doesNotMatch(file.text, /[\0-\x09\x0b-\x1f\x7f]/, file.path);
  }
}

test("names and passwords of any characters stay in their line", () => {
  const password = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCodePoint(code)),
    minLength: 8,
    maxLength: 63,
  });
  const ssid = fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(ssid, password, (name, secret) => {
      const parsed = parseNetwork({ version: 2, wifis: { wl0: { "access-points": { [name]: { password: secret } } } } });
      if ("problems" in parsed) return;
      const [wpa] = renderNetworkd(parsed.config).files.filter(({ path }) => path.endsWith(".conf"));
      const keyfile = renderNetworkManager(parsed.config).files.find(({ path }) => path.endsWith(".nmconnection"));
      const lines = wpa!.text.split("\n");
      assert.deepEqual(lines.slice(1, 3), ["ctrl_interface=/run/wpa_supplicant", "network={"]);
      assert.equal(lines.length, 9);
      assert.equal(lines[3], `  ssid=${Buffer.from(name).toString("hex")}`);
      assert.equal(keyfile!.text.split("\n").filter((line) => line.startsWith("psk=")).length, 1);
      assert.equal(keyfile!.text.split("\n").filter((line) => line.startsWith("[")).length, 5);
    }),
    { numRuns: 500 },
  );
});
