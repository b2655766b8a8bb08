import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import type { FakeFiles } from "../../layout/fake-tree.ts";
import { alpine, debian, fedora } from "../machine/compile/fake-image.ts";
import { chooseRenderer } from "./choose-renderer.ts";
import { compileNetwork } from "./compile-network.ts";

const NETWORKD: FakeFiles = {
  "/usr/lib/systemd/systemd-networkd": "",
  "/usr/lib/systemd/system/systemd-networkd.service":
    "[Install]\nWantedBy=multi-user.target\nAlias=dbus-org.freedesktop.network1.service\n",
  "/etc/group": "root:x:0:\nsystemd-network:x:998:\n",
};
const RESOLVED: FakeFiles = {
  "/usr/lib/systemd/systemd-resolved": "",
  "/usr/lib/systemd/system/systemd-resolved.service": "[Install]\nWantedBy=sysinit.target\n",
};
const MANAGER: FakeFiles = {
  "/usr/sbin/NetworkManager": "",
  "/usr/lib/systemd/system/NetworkManager.service": "[Install]\nWantedBy=multi-user.target\n",
};
const MANAGER_STARTED: FakeFiles = {
  ...MANAGER,
  "/etc/systemd/system/multi-user.target.wants/NetworkManager.service": {
    link: "/usr/lib/systemd/system/NetworkManager.service",
  },
};
const IFUPDOWN: FakeFiles = { "/usr/sbin/ifup": "", "/etc/init.d/networking": "#!/sbin/openrc-run\n" };
const WPA: FakeFiles = {
  "/usr/sbin/wpa_supplicant": "",
  "/usr/lib/systemd/system/wpa_supplicant@.service": "[Install]\nWantedBy=multi-user.target\n",
  "/usr/lib/systemd/system/wpa_supplicant-wired@.service": "[Install]\nWantedBy=multi-user.target\n",
};

const STATIC = "ethernets: {eth0: {addresses: [192.0.2.7/24], nameservers: {addresses: [192.0.2.1], search: [a.example]}}}";
const ASKS = "ethernets: {eth0: {dhcp4: true}}";
const network = (yaml: string): unknown => ({ version: 2, ...(parse(yaml) as object) });

const CHOICES: readonly [string, ReturnType<typeof debian>, "networkd" | "NetworkManager" | undefined, string | undefined][] = [
  ["none", debian(), undefined, undefined],
  ["the one there is", debian(NETWORKD), undefined, "networkd"],
  ["the one that the image starts", debian({ ...NETWORKD, ...MANAGER_STARTED }), undefined, "networkmanager"],
  ["networkd before one that is not started, either", debian({ ...NETWORKD, ...MANAGER }), undefined, "networkd"],
  ["the one that is asked for", debian({ ...NETWORKD, ...MANAGER_STARTED }), "networkd", "networkd"],
  ["not one that is asked for and missing", debian(NETWORKD), "NetworkManager", undefined],
  ["ifupdown with OpenRC", alpine(IFUPDOWN), undefined, "ifupdown"],
  ["no networkd with OpenRC", alpine({ ...NETWORKD, ...IFUPDOWN }), "networkd", undefined],
  [
    "NetworkManager with OpenRC, once it is started",
    alpine({ ...IFUPDOWN, ...MANAGER, "/etc/runlevels/default/networkmanager": { link: "/etc/init.d/networkmanager" } }),
    undefined,
    "networkmanager",
  ],
];
for (const [what, view, asked, expected] of CHOICES)
  test(`the program for the network: ${what}`, () => {
    assert.equal(chooseRenderer(view, asked), expected);
  });

const linksOf = (files: ReturnType<typeof compileNetwork>): string[] =>
  (files.links ?? []).map(({ path, to }) => `${path} -> ${to}`);

test("without a network, or without a link in it, the image's own stays", () => {
  for (const value of [undefined, network("{}"), network("ethernets: {}")]) {
    const { files, links = [] } = compileNetwork(value, debian(NETWORKD));
    assert.deepEqual([files, links], [[], []]);
  }
});

test("networkd is started, its default for every interface is off, resolved looks up names", () => {
  const view = debian({ ...NETWORKD, ...RESOLVED, "/etc/resolv.conf": "" });
  const compiled = compileNetwork(network(STATIC), view);
  assert.deepEqual(compiled.unsupported, []);
  assert.deepEqual(
    compiled.files.map(({ path }) => path),
    ["/etc/systemd/network/10-petrify-eth0.network"],
  );
  assert.deepEqual(linksOf(compiled).toSorted(), [
    "/etc/resolv.conf -> ../run/systemd/resolve/stub-resolv.conf",
    "/etc/systemd/network/89-petrify-dhcp.network -> /dev/null",
    "/etc/systemd/system/dbus-org.freedesktop.network1.service -> /usr/lib/systemd/system/systemd-networkd.service",
    "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service -> /usr/lib/systemd/system/systemd-networkd.service",
    "/etc/systemd/system/sysinit.target.wants/systemd-resolved.service -> /usr/lib/systemd/system/systemd-resolved.service",
  ]);
});

test("without resolved the name servers of the config are those of the C library, and DHCP's are told to be lost", () => {
  const { files, notes } = compileNetwork(network(STATIC), debian(NETWORKD));
  assert.match(
    files.find(({ path }) => path === "/etc/resolv.conf")?.text ?? "",
    /^#.*\nnameserver 192\.0\.2\.1\nsearch a\.example\n$/,
  );
  assert.deepEqual(notes, []);
  assert.match(compileNetwork(network(ASKS), debian(NETWORKD)).notes?.join("\n") ?? "", /no systemd-resolved/);
});

test("a second program that the image starts is not started", () => {
  const compiled = compileNetwork(
    { ...(network(ASKS) as object), renderer: "networkd" },
    debian({ ...NETWORKD, ...MANAGER_STARTED }),
  );
  assert.deepEqual(compiled.gone, ["/etc/systemd/system/multi-user.target.wants/NetworkManager.service"]);
});

test("a wireless interface has a supplicant of its own", () => {
  const wifi = network("wifis: {wl-0: {dhcp4: true, access-points: {home: {password: '12345678'}}}}");
  const compiled = compileNetwork(wifi, debian({ ...NETWORKD, ...WPA, ...RESOLVED }));
  assert.deepEqual(compiled.unsupported, []);
  assert.ok(
    linksOf(compiled).includes(
      String.raw`/etc/systemd/system/multi-user.target.wants/wpa_supplicant@wl\x2d0.service -> /usr/lib/systemd/system/wpa_supplicant@.service`,
    ),
  );
  assert.equal(compiled.files.find(({ path }) => path === "/etc/wpa_supplicant/wpa_supplicant-wl-0.conf")?.mode, 0o600);
  const without = compileNetwork(wifi, debian({ ...NETWORKD, ...RESOLVED }));
  assert.match(without.unsupported?.[0]?.problem ?? "", /wl-0 needs wpa_supplicant, which the image has not/);
});

test("802.1X on the wire, too", () => {
  const wired = network("ethernets: {eth0: {auth: {key-management: 802.1x, method: peap, identity: joe, password: s3cr3t}}}");
  const compiled = compileNetwork(wired, debian({ ...NETWORKD, ...WPA, ...RESOLVED }));
  assert.ok(linksOf(compiled).some((link) => link.includes("/wpa_supplicant-wired@eth0.service -> ")));
  assert.ok(compiled.files.some(({ path }) => path === "/etc/wpa_supplicant/wpa_supplicant-wired-eth0.conf"));
});

test("the keys of a tunnel are networkd's, or root's where it has no group", () => {
  const tunnel = network(`tunnels: {wg0: {mode: wireguard, key: ${"A".repeat(43)}=}}`);
  const owner = (view: ReturnType<typeof debian>): string | undefined =>
    compileNetwork(tunnel, view).files.find(({ path }) => path.endsWith(".netdev"))?.owner;
  assert.equal(owner(debian(NETWORKD)), "root:systemd-network");
  assert.equal(owner(debian({ ...NETWORKD, "/etc/group": "root:x:0:\n" })), "root:root");
});

test("on OpenRC ifupdown's service is started", () => {
  const compiled = compileNetwork(network(STATIC), alpine(IFUPDOWN));
  assert.deepEqual(linksOf(compiled), ["/etc/runlevels/default/networking -> /etc/init.d/networking"]);
  assert.deepEqual(
    compiled.files.map(({ path }) => path),
    ["/etc/network/interfaces", "/etc/resolv.conf"],
  );
});

const PROBLEMS: readonly [yaml: string, view: ReturnType<typeof debian>, key: string, problem: RegExp][] = [
  ["ethernets: {eth0: {dhpc4: true}}", debian(NETWORKD), "network.ethernets.eth0", /did you mean dhcp4/],
  [ASKS, fedora(), "network", /the image has no program that sets up a network/],
  [`renderer: NetworkManager\n${ASKS}`, debian(NETWORKD), "network.renderer", /the image has no NetworkManager/],
  ["vrfs: {red: {table: 7}}", alpine(IFUPDOWN), "network.vrfs.red", /cannot be made with ifupdown/],
  [
    "ethernets: {eth0: {addresses: [x]}}",
    debian(NETWORKD),
    "network.ethernets.eth0.addresses[0]",
    /must be an address and the bits/,
  ],
  [
    'wifis: {w0: {access-points: {"a b\\n": {password: x}}}}',
    debian(NETWORKD),
    String.raw`network.wifis.w0.access-points."a b\n".password`,
    /must be 8/,
  ],
];
for (const [yaml, view, key, problem] of PROBLEMS)
  test(`${yaml.replaceAll("\n", " ")} is refused at ${key}`, () => {
    const { unsupported = [] } = compileNetwork(network(yaml), view);
    assert.ok(
      unsupported.some((one) => one.key === key && problem.test(one.problem)),
      JSON.stringify(unsupported),
    );
  });
