import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeTree, type FakeFiles } from "../fake-tree.ts";
import { unitSet } from "../unit-set.ts";
import { startedUnits } from "./started-units.ts";

const LIB = "/usr/lib/systemd/system";
const wants = (...names: string[]): string => `[Unit]\n${names.map((name) => `Wants=${name}\n`).join("")}`;
const service = (program: string): string => `[Service]\nExecStart=${program}\n`;

/** Names of what starts, with what starts it. */
function started(files: FakeFiles, also: readonly string[] = []): string {
  const tree = fakeTree({
    [`${LIB}/default.target`]: { link: "multi-user.target" },
    [`${LIB}/multi-user.target`]: "[Unit]\n",
    ...files,
  });
  const found = startedUnits(tree, unitSet(tree), also);
  return [...found].map(([name, { by }]) => (by === undefined ? name : `${name} (${by})`)).join(", ");
}

for (const [what, files, want] of [
  ["the target alone", {}, "multi-user.target"],
  [
    "what is pulled in, and what that pulls in, once",
    {
      [`${LIB}/multi-user.target`]: wants("a.service", "b.service"),
      [`${LIB}/a.service`]: wants("b.service"),
      [`${LIB}/b.service`]: service("/b"),
    },
    "multi-user.target, a.service, b.service",
  ],
  [
    "what a link beside it wants",
    {
      [`/etc/systemd/system/multi-user.target.wants/a@1.service`]: { link: `${LIB}/a@.service` },
      [`${LIB}/a@.service`]: service("/a"),
    },
    "multi-user.target, a@1.service",
  ],
  [
    "nothing that is masked or missing",
    {
      [`${LIB}/multi-user.target`]: wants("a.service", "b.service"),
      "/etc/systemd/system/a.service": { link: "/dev/null" },
      [`${LIB}/a.service`]: service("/a"),
    },
    "multi-user.target",
  ],
  [
    "what sysinit wants",
    { [`${LIB}/sysinit.target`]: wants("a.service"), [`${LIB}/a.service`]: service("/a") },
    "multi-user.target, sysinit.target, a.service",
  ],
  [
    "what a socket starts",
    {
      [`${LIB}/multi-user.target`]: wants("a.socket"),
      [`${LIB}/a.socket`]: "[Socket]\nListenStream=1\n",
      [`${LIB}/a.service`]: wants("b.service"),
      [`${LIB}/b.service`]: service("/b"),
    },
    "multi-user.target, a.socket, a.service (a.socket), b.service (a.socket)",
  ],
  [
    "what a socket starts for each connection",
    {
      [`${LIB}/multi-user.target`]: wants("a.socket"),
      [`${LIB}/a.socket`]: "[Socket]\nListenStream=1\nAccept=yes\n",
      [`${LIB}/a@.service`]: service("/a"),
    },
    "multi-user.target, a.socket, a@CONNECTION.service (a.socket)",
  ],
  [
    "what a timer, a path and a failure start",
    {
      [`${LIB}/multi-user.target`]: `${wants("a.timer", "b.path")}OnFailure=c.service\n`,
      [`${LIB}/a.timer`]: "[Timer]\nOnBootSec=1\nUnit=x.service\n",
      [`${LIB}/b.path`]: "[Path]\nPathExists=/x\n",
      ...{ [`${LIB}/x.service`]: service("/x"), [`${LIB}/b.service`]: service("/b"), [`${LIB}/c.service`]: service("/c") },
    },
    "multi-user.target, a.timer, b.path, c.service (multi-user.target), x.service (a.timer), b.service (b.path)",
  ],
  [
    "what both the boot and a socket start, as part of the boot",
    {
      [`${LIB}/multi-user.target`]: wants("a.socket", "b.target"),
      [`${LIB}/a.socket`]: "[Socket]\n",
      [`${LIB}/a.service`]: service("/a"),
      [`${LIB}/b.target`]: wants("a.service"),
    },
    "multi-user.target, a.socket, b.target, a.service",
  ],
  [
    "what a name on the bus starts, where there is a bus",
    {
      [`${LIB}/multi-user.target`]: wants("dbus.socket"),
      [`${LIB}/dbus.socket`]: "[Socket]\n",
      [`${LIB}/a.service`]: service("/a"),
      "/usr/share/dbus-1/system-services/org.a.service": "[D-BUS Service]\nName=org.a\nSystemdService=dbus-org.a.service\n",
      [`${LIB}/dbus-org.a.service`]: { link: "a.service" },
    },
    "multi-user.target, dbus.socket, a.service (D-Bus name org.a)",
  ],
  [
    "nothing of the bus where there is none",
    {
      [`${LIB}/a.service`]: service("/a"),
      "/usr/share/dbus-1/system-services/org.a.service": "[D-BUS Service]\nSystemdService=a.service\n",
    },
    "multi-user.target",
  ],
  [
    "what a device wants, comments apart",
    {
      [`${LIB}/a.service`]: service("/a"),
      [`${LIB}/b.service`]: service("/b"),
      "/usr/lib/udev/rules.d/1.rules": '#ENV{SYSTEMD_WANTS}="b.service"\nTAG=="x", ENV{SYSTEMD_WANTS}+="a.service"\n',
    },
    "multi-user.target, a.service (a device)",
  ],
] as const) {
  test(`what starts: ${what}`, () => assert.equal(started(files as unknown as FakeFiles), want));
}

test("what else starts is added", () => {
  assert.equal(started({ [`${LIB}/a.service`]: service("/a") }, ["a.service"]), "multi-user.target, a.service");
});
