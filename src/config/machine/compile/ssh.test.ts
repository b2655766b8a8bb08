import assert from "node:assert/strict";
import { test } from "node:test";
import { compile, testMade, testRefused } from "../../../../tests/support/compile-cases.ts";
import { fakeUser } from "./fake-config.ts";
import { debian } from "./fake-image.ts";

testMade([
  [
    "keys of a user, and a server that looks for them",
    "debian",
    {
      users: [fakeUser("alice", { authorizedKeys: ["ssh-ed25519 AAAA alice", "ssh-ed25519 BBBB"] })],
      authorizedKeys: ["ssh-rsa CCCC"],
    },
    {
      "/etc/ssh/petrify": "folder",
      "/etc/ssh/petrify/authorized_keys/alice": /^# From.*\nssh-ed25519 AAAA alice\nssh-ed25519 BBBB\n$/,
      "/etc/ssh/petrify/authorized_keys/root": /ssh-rsa CCCC\n$/,
      "/etc/ssh/sshd_config.d/10-petrify.conf":
        /^AuthorizedKeysFile \.ssh\/authorized_keys \/etc\/ssh\/petrify\/authorized_keys\/%u$/m,
      "/etc/ssh/sshd_config": undefined,
    },
  ],
  [
    "a server's own file, where that reads no others",
    "alpine",
    { authorizedKeys: ["ssh-rsa CCCC"], sshPasswords: false },
    {
      "/etc/ssh/sshd_config":
        /^# From.*\nAuthorizedKeysFile \.ssh\/authorized_keys \/etc\/ssh\/petrify\/authorized_keys\/%u\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n# The image's own:\n# \$OpenBSD/,
      "/etc/ssh/sshd_config.d/10-petrify.conf": undefined,
    },
  ],
  [
    "root that may not log in",
    "debian",
    { sshRoot: false },
    { "/etc/ssh/sshd_config.d/10-petrify.conf": /^# From.*\nPermitRootLogin no\n$/ },
  ],
]);

testRefused([
  ["passwords without a server", { sshPasswords: true }, /no OpenSSH server/, { "/usr/sbin/sshd": { link: "/nowhere" } }],
  ["keys of nobody", { defaultUser: "nobody-here", authorizedKeys: ["ssh-rsa A"] }, /nobody-here is no user/],
]);

test("keys of a machine without OpenSSH are at home, the user's own", () => {
  const view = debian({ "/usr/sbin/sshd": { link: "/nowhere" } });
  const { compiled } = compile({ users: [fakeUser("alice", { authorizedKeys: ["ssh-rsa AAAA"] })] }, view);
  assert.deepEqual(
    compiled.entries.map(({ path, when, owner }) => `${path} ${when} ${owner}`),
    ["/home/alice data alice:alice", "/home/alice/.ssh data alice:alice", "/home/alice/.ssh/authorized_keys data alice:alice"],
  );
});

test("keys of nobody in particular are the default user's: the named one's, else the image's own, else root's", () => {
  const keys = { authorizedKeys: ["ssh-rsa AAAA"] };
  const own = debian({
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\nsvc:x:1000:1000::/:/usr/sbin/nologin\ndeb:x:1001:1001::/home/deb:/bin/sh\n",
  });
  for (const [about, view, user] of [
    [keys, debian(), "root"],
    [keys, own, "deb"],
    [{ ...keys, users: [fakeUser("alice")], defaultUser: "alice" }, own, "alice"],
  ] as const) {
    const paths = compile(about, view).compiled.entries.map(({ path }) => path);
    assert.ok(paths.includes(`/etc/ssh/petrify/authorized_keys/${user}`), paths.join());
  }
});
