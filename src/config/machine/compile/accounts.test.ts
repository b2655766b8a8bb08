/** Who is there: users, groups, passwords, and what they may with sudo. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compile, testMade, testRefused } from "../../../../tests/support/compile-cases.ts";
import { fakeStep, fakeUser } from "./fake-config.ts";
import { alpine } from "./fake-image.ts";

testMade([
  [
    "what a user may with sudo",
    "debian",
    { users: [fakeUser("alice", { sudo: ["ALL=(ALL) NOPASSWD:ALL"] })] },
    { "/etc/sudoers.d/90-petrify-alice": /^# From.*\nalice ALL=\(ALL\) NOPASSWD:ALL\n$/ },
  ],
]);

testRefused([
  ["a user whose name is a path", { users: [fakeUser("../x")] }, /users\[\.\.\/x\]: is no name/],
  ["a number of somebody in the image", { users: [fakeUser("a", { uid: 33 })] }, /users\[a\]\.uid: is www-data's/],
  ["a number twice", { users: [fakeUser("a", { uid: 2000 }), fakeUser("b", { uid: 2000 })] }, /users\[b\]\.uid: is a's/],
  ["a group's number of the image", { groups: [{ name: "g", gid: 27, members: [] }] }, /groups\[g\]: has the number of sudo/],
  [
    "another number for a user of the image",
    { users: [fakeUser("www-data", { uid: 2000 })] },
    /users\[www-data\]\.uid: is 33 in the image/,
  ],
  [
    "another number for a group of the image",
    { groups: [{ name: "sudo", gid: 2000, members: [] }] },
    /groups\[sudo\]: has the number 27 in the image/,
  ],
  ["a second root", { users: [fakeUser("toor", { uid: 0 })] }, /uid: is root's/],
  ["a shell that is not there", { users: [fakeUser("a", { shell: "/bin/zsh" })] }, /shell: \/bin\/zsh is not in the image/],
  [
    "a field that would be two",
    { users: [fakeUser("a", { gecos: "x:/root:/bin/sh" })] },
    /gecos: must be one line without a colon/,
  ],
  ["sudo that is not there", { users: [fakeUser("a", { sudo: ["ALL=ALL"] })] }, /the image has no sudo/, {}, "alpine"],
  [
    "a rule that sudo cannot read",
    { users: [fakeUser("a", { sudo: ["ALL=(ALL"] })] },
    /users\[a\]\.sudo: "ALL=\(ALL" has no command/,
  ],
]);

test("accounts: what is absent stays the image's, what is new is whole", () => {
  const { compiled } = compile({
    users: [
      fakeUser("alice", { groups: ["sudo", "deploy"], passwordHash: "$6$abcdefgh$x" }),
      fakeUser("www-data", { groups: ["ssl-cert"] }),
      fakeUser("bob", { passwordHash: "$6$abcdefgh$x", isLocked: true, isSystem: true }),
    ],
    groups: [{ name: "ops", gid: 2000, members: ["alice"] }],
  });
  assert.deepEqual(compiled.accounts, {
    users: [
      {
        name: "alice",
        isSystem: false,
        groups: ["sudo", "deploy"],
        home: "/home/alice",
        makeHome: true,
        shell: "/bin/bash",
        password: "$6$abcdefgh$x",
      },
      { name: "www-data", isSystem: false, groups: ["ssl-cert"], makeHome: false },
      {
        name: "bob",
        isSystem: true,
        groups: [],
        home: "/home/bob",
        makeHome: false,
        shell: "/bin/bash",
        password: "!$6$abcdefgh$x",
      },
    ],
    groups: [
      { name: "ops", gid: 2000, members: ["alice"] },
      { name: "deploy", members: [] },
    ],
  });
});

test("where SSH knows no PAM, a locked password does not lock out keys", () => {
  const { compiled } = compile({ users: [fakeUser("alice", { isLocked: true })] }, alpine());
  assert.equal(compiled.accounts.users[0]!.password, "*");
});

test("lines of yip's ensure_entities are accounts", () => {
  const entities = [
    { kind: "group", line: "app:x:900:" },
    { kind: "user", line: "app:x:900:900:App:/var/lib/app:/usr/bin/sh" },
    { kind: "shadow", line: "app:$6$abcdefgh$x:19000:0:99999:7:::" },
  ] as const;
  const { compiled } = compile({ stages: { initramfs: [fakeStep("one", { entities })] } });
  assert.deepEqual(compiled.accounts.groups, [{ name: "app", gid: 900, members: [] }]);
  assert.partialDeepStrictEqual(compiled.accounts.users, [{ name: "app", uid: 900, group: "app", password: "$6$abcdefgh$x" }]);
});
