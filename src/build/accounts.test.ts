import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecipeUser } from "../config/recipe.ts";
import { addUsers, applyMoves, idMoves, idsIn, lockIds, ownerIds, type AccountFiles, type Ids } from "./accounts.ts";

const files: AccountFiles = {
  passwd:
    "root:x:0:0:root:/root:/bin/bash\nmessagebus:x:100:101::/nonexistent:/usr/sbin/nologin\nchrony:x:101:102::/var/lib/chrony:/usr/sbin/nologin\n",
  group: "root:x:0:\nadm:x:4:\nmessagebus:x:101:\nchrony:x:102:\n",
  shadow: "root:*:1:0:99999:7:::\nmessagebus:!:1::::::\nchrony:!:1::::::\n",
  gshadow: "root:*::\nadm:*::\nmessagebus:!::\nchrony:!::\n",
};
const none: Ids = { users: [], groups: [] };
const user = (name: string, more: Partial<RecipeUser> = {}): RecipeUser => ({ name, groups: [], sshKeys: [], ...more });

const moveCases: [name: string, locked: Ids["users"], moved: [number, number][]][] = [
  ["nothing moves without a lock", [], []],
  [
    "nothing moves when the lock agrees",
    [
      { name: "messagebus", id: 100 },
      { name: "chrony", id: 101 },
    ],
    [],
  ],
  [
    "two that swapped are swapped back",
    [
      { name: "messagebus", id: 101 },
      { name: "chrony", id: 100 },
    ],
    [
      [100, 101],
      [101, 100],
    ],
  ],
  ["a new user does not take the id of one that is gone", [{ name: "tor", id: 101 }], [[101, 999]]],
  [
    "a new user passes over ids of the lock",
    [
      { name: "tor", id: 101 },
      { name: "ntp", id: 999 },
    ],
    [[101, 998]],
  ],
  [
    "a user of the lock keeps its id when another has taken it",
    [{ name: "chrony", id: 100 }],
    [
      [100, 999],
      [101, 100],
    ],
  ],
];
for (const [name, users, moved] of moveCases) {
  test(`idMoves(): ${name}`, () => {
    const { uids } = idMoves(files, { users, groups: [] });
    assert.deepEqual(
      [...uids].toSorted(([a], [b]) => a - b),
      moved,
    );
    const after = idsIn(applyMoves(files, { uids, gids: new Map() })).users;
    for (const { name: who, id } of users) assert.equal(after.find((x) => x.name === who)?.id ?? id, id, who);
    assert.equal(new Set(after.map(({ id }) => id)).size, after.length, "no id is shared");
  });
}

test("applyMoves() changes the uid, the primary group and the group file", () => {
  const { passwd, group } = applyMoves(files, { uids: new Map([[100, 500]]), gids: new Map([[101, 501]]) });
  assert.match(passwd, /^messagebus:x:500:501:/m);
  assert.match(group, /^messagebus:x:501:/m);
});

test("lockIds() remembers who is gone", () => {
  const { users } = lockIds(files, { users: [{ name: "tor", id: 110 }], groups: [] });
  assert.deepEqual(
    users.map(({ name }) => name),
    ["root", "messagebus", "chrony", "tor"],
  );
});

test("addUsers() gives the next free id from 1000, a home, a locked password and the groups", () => {
  const { files: after, homes } = addUsers(
    files,
    [user("ann", { groups: ["adm"] }), user("bob", { password: "$y$x" })],
    none,
    "/bin/sh",
  );
  assert.match(after.passwd, /^ann:x:1000:1000::\/home\/ann:\/bin\/sh$/m);
  assert.match(after.passwd, /^bob:x:1001:1001:/m);
  assert.match(after.shadow, /^ann:!:/m);
  assert.match(after.shadow, /^bob:\$y\$x:/m);
  assert.match(after.group, /^adm:x:4:ann$/m);
  assert.deepEqual(
    homes.map(({ path, uid, gid }) => [path, uid, gid]),
    [
      ["/home/ann", 1000, 1000],
      ["/home/bob", 1001, 1001],
    ],
  );
});
test("addUsers() passes over ids of users that are gone", () => {
  const { files: after } = addUsers(
    files,
    [user("ann")],
    { users: [{ name: "old", id: 1000 }], groups: [{ name: "old", id: 1000 }] },
    "/bin/sh",
  );
  assert.match(after.passwd, /^ann:x:1001:1001:/m);
});
test("addUsers() gives a user of the lock its id again", () => {
  const { files: after } = addUsers(
    files,
    [user("ann")],
    { users: [{ name: "ann", id: 1234 }], groups: [{ name: "ann", id: 1235 }] },
    "/bin/sh",
  );
  assert.match(after.passwd, /^ann:x:1234:1235:/m);
});

const refusals: [name: string, user: RecipeUser, locked: Ids, code: string][] = [
  [
    "an id that differs from the lock",
    user("ann", { uid: 1001 }),
    { users: [{ name: "ann", id: 1000 }], groups: [] },
    "ID_CHANGED",
  ],
  ["an id that a package's user has", user("ann", { uid: 101 }), none, "ID_TAKEN"],
  ["an id that somebody had", user("ann", { uid: 1000 }), { users: [{ name: "old", id: 1000 }], groups: [] }, "ID_TAKEN"],
  ["another id for a package's user", user("chrony", { uid: 500 }), none, "ID_CHANGED"],
  ["a group that is not there", user("ann", { groups: ["docker"] }), none, "GROUP_UNKNOWN"],
];
for (const [name, who, locked, code] of refusals) {
  test(`addUsers() refuses ${name}`, () => {
    assert.throws(() => addUsers(files, [who], locked, "/bin/sh"), { code });
  });
}

for (const [owner, ids] of [
  ["chrony", "101:102"],
  ["chrony:adm", "101:4"],
  ["7:8", "7:8"],
  ["7", "7:7"],
  ["root", "0:0"],
] as const) {
  test(`ownerIds(${owner}) is ${ids}`, () => assert.equal(ownerIds(owner, files), ids));
}
test("ownerIds() refuses names that are not there", () => {
  assert.throws(() => ownerIds("nobody-here", files), { code: "OWNER_UNKNOWN" });
  assert.throws(() => ownerIds("chrony:nobody-here", files), { code: "OWNER_UNKNOWN" });
});
