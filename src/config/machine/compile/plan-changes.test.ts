import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { MEANS } from "../../../../tests/support/compile-cases.ts";
import type { NodeConfig } from "../node-config.ts";
import { compileTolerantly, type Compiled } from "./compile-config.ts";
import { fakeConfig, fakeContainer, fakeFile, fakeUnit, fakeUser } from "./fake-config.ts";
import { alpine, debian } from "./fake-image.ts";
import { planChanges, type ChangePlan } from "./plan-changes.ts";
import { planText } from "./plan-text.ts";

const compiled = (about: Partial<NodeConfig>, view = debian()): Compiled =>
  compileTolerantly(fakeConfig(about), view, { ...MEANS, digest: hash("sha256", JSON.stringify(about)) });
const ids = ({ actions }: ChangePlan): string[] => actions.map(({ id }) => id);

const UNIT = "[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=multi-user.target\n";
const app = (content = UNIT, more: object = {}) => fakeUnit("app.service", { content, enabled: true, ...more });

const STEPS: readonly (readonly [
  what: string,
  before: Partial<NodeConfig> | undefined,
  after: Partial<NodeConfig>,
  expected: readonly string[],
  init?: "alpine",
])[] = [
  ["a first config", undefined, { hostname: "a" }, ["lay", "hostname"]],
  ["nothing", { hostname: "a" }, { hostname: "a" }, []],
  ["a unit that is new is started after it is read", {}, { units: [app()] }, ["lay", "reload", "start app.service"]],
  [
    "one that was written anew starts again",
    { units: [app()] },
    { units: [app(`${UNIT}# b\n`)] },
    ["lay", "reload", "restart app.service"],
  ],
  [
    "one that is for when the network is online waits until somebody asks for that",
    {},
    { units: [app("[Service]\nExecStart=/usr/bin/true\n[Install]\nWantedBy=network-online.target\n")] },
    ["lay", "reload", "restart app.service"],
  ],
  [
    "who sets up networks is not asked to read its files where it is only started, which reads them",
    {},
    {
      files: [fakeFile("/etc/systemd/network/a.network")],
      units: [fakeUnit("systemd-networkd.service", { content: UNIT, enabled: true })],
    },
    ["lay", "reload", "start systemd-networkd.service"],
  ],
  [
    "nor where it stops, and nobody would answer",
    {
      files: [fakeFile("/etc/systemd/network/a.network")],
      units: [fakeUnit("systemd-networkd.service", { content: UNIT, enabled: true })],
    },
    {},
    ["stop systemd-networkd.service", "remove", "reload"],
  ],
  ["nor is it left out where it runs on", {}, { files: [fakeFile("/etc/systemd/network/a.network")] }, ["lay", "network"]],
  ["one that is no longer there stops before its file goes", { units: [app()] }, {}, ["stop app.service", "remove", "reload"]],
  [
    "one that is masked stops",
    {},
    { units: [fakeUnit("nginx.service", { masked: true })] },
    ["stop nginx.service", "lay", "reload"],
  ],
  [
    "one that is disabled stops",
    {},
    { units: [fakeUnit("ssh.service", { enabled: false })] },
    ["stop ssh.service", "lay", "reload"],
  ],
  [
    "the image's own is started again when it is not disabled any more",
    { units: [fakeUnit("ssh.service", { enabled: false })] },
    {},
    ["remove", "reload", "start ssh.service"],
  ],
  [
    "a drop-in",
    {},
    { units: [fakeUnit("ssh.service", { dropIns: [{ name: "a.conf", content: "[Service]\nNice=1" }] })] },
    ["lay", "reload", "restart ssh.service"],
  ],
  [
    "instances of a template",
    {},
    { units: [fakeUnit("getty@.service", { dropIns: [{ name: "a.conf", content: "" }] })] },
    ["lay", "reload", "restart getty@*.service"],
  ],
  [
    "what only the end of a boot starts",
    {},
    { units: [fakeUnit("bye.service", { content: "[Install]\nWantedBy=shutdown.target\n", enabled: true })] },
    ["lay", "reload", "restart bye.service"],
  ],
  [
    "what the rest stands on is left alone",
    {},
    { units: [fakeUnit("dbus.service", { dropIns: [{ name: "a.conf", content: "" }] })] },
    ["lay", "reload"],
  ],
  [
    "a container",
    {},
    { containers: [fakeContainer("db")] },
    ["lay", "reload", "start db.service", "start var-lib-containers.mount"],
  ],
  ["users, and what they own", {}, { users: [fakeUser("a", { authorizedKeys: ["ssh-rsa A"] })] }, ["accounts", "lay", "ssh"]],
  ["parameters of the kernel", {}, { sysctl: { "vm.swappiness": "1" } }, ["lay", "sysctl"]],
  [
    "the same with OpenRC, whose scripts have other names in Debian",
    {},
    { sysctl: { "vm.swappiness": "1" } },
    ["lay", "sysctl", "procps"],
    "alpine",
  ],
  [
    "time servers",
    {},
    { ntp: { enabled: true, servers: ["a"], pools: [] } },
    ["lay", "reload", "timesyncd", "start systemd-timesyncd.service"],
  ],
  [
    "a service of OpenRC",
    {},
    { units: [fakeUnit("app", { content: "#!/sbin/openrc-run\n", enabled: true })] },
    ["lay", "start app"],
    "alpine",
  ],
  [
    "a service of OpenRC that goes",
    { units: [fakeUnit("app", { content: "#!/sbin/openrc-run\n", enabled: true })] },
    {},
    ["stop app", "remove"],
    "alpine",
  ],
];

for (const [what, before, after, expected, init] of STEPS) {
  test(`what follows: ${what}`, () => {
    const view = init === "alpine" ? alpine() : debian();
    const plan = planChanges(before && compiled(before, view), compiled(after, view));
    assert.deepEqual(ids(plan), expected);
    for (const [index, { after: earlier }] of plan.actions.entries())
      for (const id of earlier) assert.ok(ids(plan).indexOf(id) < index, `${id} comes later`);
  });
}

test("a script of OpenRC that is not there is nobody's fault, and one that is not running is not started", () => {
  const plan = planChanges(compiled({}, alpine()), compiled({ sysctl: { "vm.swappiness": "1" }, sshPasswords: false }, alpine()));
  const asked = plan.actions.flatMap(({ what }) => (what.is === "run" ? [what.argv.join(" ")] : []));
  assert.deepEqual(asked, [
    "rc-service --ifexists sysctl restart",
    "rc-service --ifexists procps restart",
    "rc-service --ifexists --ifstarted sshd reload",
    "rc-service --ifexists --ifstarted ssh reload",
  ]);
});

test("what only a reboot brings is said", () => {
  const before = compiled({ sysctl: { "vm.swappiness": "1" }, persistent: ["/var/lib/old"] });
  const units = [fakeUnit("dbus.service", { dropIns: [{ name: "a.conf", content: "" }] })];
  const after = compiled({ units, persistent: ["/var/lib/new"], kernelArgs: { append: ["quiet"], remove: [] } });
  assert.deepEqual(planChanges(before, after).reboot, [
    "kernel parameters that are no longer set keep their value until then",
    "/var/lib/new keeps what is written to it",
    "/var/lib/old no longer keeps what is written to it",
    "the kernel has its new arguments, on trial",
    "dbus.service is as its files are now",
  ]);
});

test("a plan is a text", () => {
  const before = compiled({ units: [app()], files: [fakeFile("/etc/old")], users: [fakeUser("bob")] });
  const after = compiled({
    hostname: "web-1",
    users: [fakeUser("alice")],
    files: [fakeFile("/etc/new")],
    units: [fakeUnit("nginx.service", { enabled: true })],
    persistent: ["/var/lib/app"],
  });
  assert.equal(
    planText(planChanges(before, after)),
    `changes
  + host name web-1
  + user alice
  - user bob
  + /etc/hostname
  + /etc/new
  - /etc/old
  - /etc/systemd/system/app.service
  - /etc/systemd/system/multi-user.target.wants/app.service
  + /etc/systemd/system/multi-user.target.wants/nginx.service
  + persistent /var/lib/app
then, in this order
  1. app.service stops
  2. users and groups are changed  (after 1)
  3. 3 paths are as the image has them  (after 1)
  4. 3 paths are laid down  (after 2, 3)
  5. the host name is web-1  (after 4)
  6. systemd reads its units again  (after 4)
  7. nginx.service starts  (after 5, 6)
only after a reboot
  /var/lib/app keeps what is written to it
`,
  );
  assert.equal(planText(planChanges(after, after)), "nothing would change\n");
});

const pieces: fc.Arbitrary<Partial<NodeConfig>> = fc.record(
  {
    hostname: fc.constantFrom("a", "b"),
    timezone: fc.constantFrom("UTC", "Europe/Berlin"),
    files: fc
      .uniqueArray(fc.constantFrom("/etc/a", "/etc/d/b", "/srv/c"), { maxLength: 3 })
      .map((paths) => paths.map((path) => fakeFile(path))),
    users: fc
      .uniqueArray(fc.constantFrom("x", "y"), { maxLength: 2 })
      .map((names) => names.map((name) => fakeUser(name, { authorizedKeys: ["ssh-rsa A"] }))),
    units: fc.constantFrom(
      [],
      [app()],
      [app(`${UNIT}#`)],
      [fakeUnit("ssh.service", { enabled: false })],
      [fakeUnit("nginx.service", { enabled: true })],
    ),
    sysctl: fc.constantFrom({}, { a: "1" }, { a: "2" }),
    persistent: fc.constantFrom([], ["/var/lib/p"]),
  },
  { requiredKeys: [] },
);

test("from any config to any other: what is laid down and removed makes the one of the other, and nothing is left to do", () => {
  fc.assert(
    fc.property(pieces, pieces, (one, other) => {
      const [before, after] = [compiled(one), compiled(other)];
      const { actions } = planChanges(before, after);
      const tree = new Map(before.compiled.entries.map((entry) => [entry.path, entry]));
      for (const { what } of actions) {
        if (what.is === "remove") for (const path of what.paths) assert.ok(tree.delete(path));
        if (what.is === "lay") for (const entry of what.entries) tree.set(entry.path, entry);
      }
      const sorted = [...tree.values()].sort(({ path: a }, { path: b }) => (a < b ? -1 : 1));
      assert.deepEqual(sorted, after.compiled.entries);
      assert.deepEqual(planChanges(after, compiled(structuredClone(other))), { changes: [], actions: [], reboot: [] });
    }),
    { numRuns: 200 },
  );
});

test("a plan has names, and nothing that may be secret", () => {
  const secret = "$6$saltsalt$SECRET";
  const after = compiled({
    users: [fakeUser("a", { passwordHash: secret })],
    files: [fakeFile("/etc/token", { content: { text: "SECRET" } })],
    containers: [fakeContainer("c", { environment: { TOKEN: "SECRET" } })],
  });
  const plan = planChanges(undefined, after);
  assert.doesNotMatch(planText(plan) + JSON.stringify(plan.changes), /SECRET/);
});
