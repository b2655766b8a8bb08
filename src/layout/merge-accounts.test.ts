import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CompiledAccounts, CompiledUser } from "./compiled-config.ts";
import { mergeAccounts, type AccountTexts, type MergedAccounts } from "./merge-accounts.ts";
import type { PersistentIds } from "./persistent-ids.ts";

const IMAGE: AccountTexts = {
  passwd:
    "root:x:0:0:root:/root:/bin/bash\n# a comment: kept\ndaemon:x:1:1::/:/usr/sbin/nologin\nweb:x:998:997:Web:/srv:/bin/false\n+::::::\n",
  group: "root:x:0:\nsudo:x:27:\nweb:x:997:\nstaff:x:1000:\n",
  shadow: "root:*:1:0:99999:7:::\ndaemon:*:1:0:99999:7:::\nweb:!:1:0:99999:7:::\n",
  gshadow: "root:*::\nsudo:*::\nweb:!::\nstaff:!::\n",
};
const NOBODY: PersistentIds = { user: new Map(), group: new Map() };
const user = (name: string, more: Partial<CompiledUser> = {}): CompiledUser => ({
  ...{ name, isSystem: false, groups: [], makeHome: true, ...more },
});
const merge = (
  { users = [], groups = [] }: Partial<CompiledAccounts>,
  image: AccountTexts = IMAGE,
  remembered = NOBODY,
): MergedAccounts => mergeAccounts(image, { users, groups }, remembered);
/** A file's line of a name. */
const line = ({ texts }: MergedAccounts, file: keyof AccountTexts, name: string): string | undefined =>
  texts[file]!.split("\n").find((text) => text.startsWith(`${name}:`));

test("without anybody configured, the image's files are what they were", () => {
  const { texts, ids, homes, notes } = merge({});
  assert.deepEqual(texts, IMAGE);
  assert.deepEqual([ids, homes, notes], [NOBODY, [], []]);
});

test("a new user has a number, a group of its own, a line in each file, and a home", () => {
  const merged = merge({
    users: [
      user("ada", { gecos: "Ada \u00e9", shell: "/bin/zsh", password: "$6$x$y", expires: 20_000, groups: ["sudo", "new"] }),
    ],
  });
  assert.equal(line(merged, "passwd", "ada"), "ada:x:1000:1001:Ada \u00c3\u00a9:/home/ada:/bin/zsh");
  assert.equal(line(merged, "group", "ada"), "ada:x:1001:");
  assert.equal(line(merged, "shadow", "ada"), "ada:$6$x$y:1:0:99999:7::20000:");
  assert.equal(line(merged, "gshadow", "ada"), "ada:!::");
  assert.equal(line(merged, "group", "sudo"), "sudo:x:27:ada");
  assert.equal(line(merged, "gshadow", "sudo"), "sudo:*::ada");
  assert.equal(line(merged, "group", "new"), "new:x:1002:ada");
  assert.deepEqual(merged.homes, [{ path: "/home/ada", uid: 1000, gid: 1001 }]);
  assert.deepEqual(merged.ids.user, new Map([["ada", 1000]]));
  assert.deepEqual(merged.notes, []);
  assert.match(merged.texts.passwd!, /ada:[^\n]*\n\+::::::\n$/, "what ends the list stays its end");
});

test("without a password nobody gets in by one, and keys are not refused", () => {
  assert.equal(line(merge({ users: [user("ada")] }), "shadow", "ada"), "ada:*:1:0:99999:7:::");
});

test("a user of the image is changed where the config says so, and nowhere else", () => {
  const merged = merge({ users: [user("web", { shell: "/bin/sh", groups: ["sudo"], makeHome: false })] });
  assert.equal(line(merged, "passwd", "web"), "web:x:998:997:Web:/srv:/bin/sh");
  assert.equal(merged.texts.shadow, IMAGE.shadow);
  assert.equal(line(merged, "group", "sudo"), "sudo:x:27:web");
  assert.deepEqual(merged.ids, NOBODY, "its number is the image's to give");
  const locked = merge({ users: [user("root", { password: "!", makeHome: false })] });
  assert.equal(line(locked, "shadow", "root"), "root:!:1:0:99999:7:::");
  assert.equal(line(locked, "passwd", "root"), "root:x:0:0:root:/root:/bin/bash");
});

test("a password goes to shadow, also where the image keeps one in passwd", () => {
  const merged = merge(
    { users: [user("old", { expires: 5, makeHome: false })] },
    { passwd: "old:secret:7:7::/:/bin/sh\n", group: "old:x:7:\n" },
  );
  assert.equal(line(merged, "passwd", "old"), "old:x:7:7::/:/bin/sh");
  assert.equal(line(merged, "shadow", "old"), "old:secret:1:0:99999:7::5:");
});

test("a number is the one that is asked for, else the one that there was, else the next that nobody has or is to have", () => {
  const remembered: PersistentIds = {
    user: new Map([
      ["bob", 1005],
      ["gone", 1000],
    ]),
    group: new Map([["bob", 1007]]),
  };
  const merged = merge(
    { users: [user("ada"), user("bob"), user("carol", { uid: 1001 }), user("dan", { isSystem: true })] },
    IMAGE,
    remembered,
  );
  assert.deepEqual(
    [...merged.ids.user],
    [
      ["ada", 1002],
      ["bob", 1005],
      ["carol", 1001],
      ["dan", 999],
    ],
  );
  assert.equal(merged.ids.group.get("bob"), 1007);
  assert.equal(merge({ users: [user("bob", { uid: 1234 })] }, IMAGE, remembered).ids.user.get("bob"), 1234);
});

test("a number that cannot be had is said, and another one is given", () => {
  for (const [uid, why] of [
    [998, /user ada cannot have the number 998: another has it/],
    [0, /cannot have the number 0: nobody may have it/],
    [65_535, /nobody may have it/],
    [2_000_000_000, /nobody may have it/],
  ] as const) {
    const merged = merge({ users: [user("ada", { uid })] });
    assert.match(merged.notes.join(), why);
    assert.equal(merged.ids.user.get("ada"), 1000);
  }
  assert.match(merge({ users: [user("web", { uid: 5 })] }).notes.join(), /user web keeps the number 998/);
  assert.match(merge({ groups: [{ name: "sudo", gid: 5, members: [] }] }).notes.join(), /group sudo keeps the number 27/);
});

test("a number that another image gives to its own is given up there, and taken again where it is free", () => {
  const first = merge({ users: [user("ada")] });
  const other = { ...IMAGE, passwd: `${IMAGE.passwd}clock:x:1000:50::/:/bin/false\n` };
  assert.equal(merge({ users: [user("ada")] }, other, first.ids).ids.user.get("ada"), 1001);
  assert.equal(merge({ users: [user("ada")] }, IMAGE, first.ids).ids.user.get("ada"), 1000);
});

test("ranges for containers follow from a user's number, whoever else comes and goes, and only where the image has such files", () => {
  const image = { ...IMAGE, subuid: "old:165536:65536\n", subgid: "" };
  const both = merge({ users: [user("ada"), user("bob"), user("dan", { isSystem: true })] }, image);
  assert.equal(both.texts.subuid, "old:165536:65536\nada:100000:65536\nbob:231072:65536\n");
  assert.equal(both.texts.subgid, "ada:100000:65536\nbob:165536:65536\n");
  const one = merge({ users: [user("bob")] }, image, both.ids);
  assert.equal(one.texts.subgid, "bob:165536:65536\n");
  assert.equal(merge({ users: [user("ada")] }).texts.subuid, undefined);
});

const NAMES = ["root", "web", "staff", "ada", "bob", "carol", "dan", "sudo"] as const;
const name = fc.constantFrom(...NAMES);
const id = fc.option(fc.oneof(fc.integer({ min: 0, max: 1010 }), fc.constantFrom(65_535, 2_000_000_000, 4_294_967_294)), {
  nil: undefined,
});
const accounts: fc.Arbitrary<CompiledAccounts> = fc.record({
  users: fc.array(
    fc.record({
      ...{ name, isSystem: fc.boolean(), makeHome: fc.boolean(), groups: fc.array(name, { maxLength: 3 }) },
      ...{ uid: id, group: fc.option(name, { nil: undefined }), shell: fc.constantFrom(undefined, "/bin/x") },
      ...{ password: fc.constantFrom(undefined, "!", "$6$"), gecos: fc.constantFrom(undefined, "x") },
    }),
    { maxLength: 6 },
  ) as fc.Arbitrary<CompiledUser[]>,
  groups: fc.array(fc.record({ name, gid: id, members: fc.array(name, { maxLength: 3 }) }), { maxLength: 4 }) as fc.Arbitrary<
    CompiledAccounts["groups"][number][]
  >,
});
const unlike = (values: readonly (readonly [string, number])[]): Map<string, number> =>
  new Map(new Map(values.map(([a, b]) => [b, a])).entries().map(([b, a]) => [a, b]));
const remembered: fc.Arbitrary<PersistentIds> = fc
  .tuple(...([0, 1] as const).map(() => fc.array(fc.tuple(name, fc.integer({ min: 1, max: 1010 })), { maxLength: 5 })))
  .map(([users, groups]) => ({ user: unlike(users!), group: unlike(groups!) }));
const fields = (text: string): string[][] =>
  text
    .split("\n")
    .slice(0, -1)
    .map((row) => row.split(":"));

test("whatever is configured: every line of the image is kept, no name and no number is there twice, and merging again changes nothing", () => {
  fc.assert(
    fc.property(accounts, remembered, (config, before) => {
      const image = { ...IMAGE, subuid: "web:100000:65536\n" };
      const merged = mergeAccounts(image, config, before);
      const configured = new Set([...config.users, ...config.groups].flatMap(({ name: own }) => [own]));
      for (const file of ["passwd", "group", "shadow"] as const) {
        const rows = fields(merged.texts[file]!);
        const names = rows.map(([own]) => own);
        assert.equal(new Set(names).size, names.length, `${file} has a name twice`);
        for (const row of fields(image[file]!)) {
          const now = rows.find(([own]) => own === row[0])!;
          // Numbers of the image's own stay; a line of a name that is not configured stays whole, but for a group's members.
          if (file !== "shadow") assert.equal(now[2], row[2]);
          if (!configured.has(row[0]!))
            assert.deepEqual(file === "group" ? now.slice(0, 3) : now, file === "group" ? row.slice(0, 3) : row);
        }
      }
      for (const file of ["passwd", "group"] as const) {
        const numbers = fields(merged.texts[file]!).flatMap((row) => (/^\d+$/.test(row[2] ?? "") ? [row[2]!] : []));
        assert.equal(new Set(numbers).size, numbers.length, `${file} has a number twice`);
      }
      const again = mergeAccounts(merged.texts, config, merged.ids);
      assert.deepEqual(again.texts, merged.texts);
      assert.deepEqual(mergeAccounts(image, config, merged.ids).texts, merged.texts, "numbers that are recorded stay");
    }),
  );
});
