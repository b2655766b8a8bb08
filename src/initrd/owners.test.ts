import assert from "node:assert/strict";
import { test } from "node:test";
import { latin1Bytes } from "../layout/env-block.ts";
import { FIRST_PARKED, FIRST_PASSING } from "../layout/id-moves.ts";
import { decodeIds, IDS_PATH, MOVE_JOURNAL_PATH } from "../layout/persistent-ids.ts";
import { encodeCheckedLines } from "../layout/checked-lines.ts";
import { fakeSys, type FakeFile, type FakeSys } from "./fake-sys.ts";
import { NOBODY } from "./find-config.ts";
import { keepOwners } from "./owners.ts";

type Names = Readonly<Record<string, number>>;
/** Ids of a user and of the group named like it. */
const OLD: Names = { postgres: 998, redis: 997, web: 1000 };
/** postgres and redis swap, web goes on to a number that nobody had, and mail takes web's. */
const NEW: Names = { postgres: 997, redis: 998, web: 1001, mail: 1000 };
const NO_SPACE = 28;

function install(sys: FakeSys, names: Names): void {
  const lines = (fields: (id: number) => string): string =>
    Object.entries({ root: 0, ...names })
      .map(([name, id]) => `${name}:x:${fields(id)}\n`)
      .join("");
  sys.files.set(
    "/run/petrify/root/etc/passwd",
    lines((id) => `${id}:${id}::/:/bin/sh`),
  );
  sys.files.set(
    "/run/petrify/root/etc/group",
    lines((id) => `${id}:`),
  );
}

const FILE = 0o100644;
const acl = (user: number, group: number): Uint8Array => {
  const bytes = new Uint8Array(4 + 5 * 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 2, true);
  const entries = [
    [1, -1],
    [2, user],
    [4, -1],
    [8, group],
    [16, -1],
  ] as const;
  for (const [n, [tag, id]] of entries.entries()) {
    view.setUint16(4 + n * 8, tag, true);
    view.setUint16(6 + n * 8, 4, true);
    view.setInt32(8 + n * 8, id, true);
  }
  return bytes;
};
/** Files as the image with these ids makes them. */
function filesOf(names: Names): Record<string, FakeFile> {
  const of = (user: string, mode = FILE, attributes: Record<string, Uint8Array> = {}, flags = 0): FakeFile => {
    const id = names[user] ?? Number(user);
    return { mode, uid: id, gid: id, flags, attributes: new Map(Object.entries(attributes)) };
  };
  const linked = of("web");
  return {
    "/usr/local": of("0", 0o040755),
    "/usr/local/postgres": of("postgres", 0o042755),
    "/usr/local/postgres/base": of("postgres"),
    "/usr/local/redis": of("redis", 0o120777),
    "/usr/local/set-uid": of("postgres", 0o106755),
    "/usr/local/capable": of("redis", 0o100755, { "security.capability": latin1Bytes("\x01\0\0\x02cap") }),
    "/usr/local/listed": of("0", FILE, { "system.posix_acl_access": acl(names["postgres"]!, names["redis"]!) }),
    "/usr/local/immutable": of("redis", 0o104755, { "user.x": latin1Bytes("x") }, 0x10),
    "/usr/local/link-1": linked,
    "/usr/local/link-2": linked,
    "/usr/local/container": of("100000"),
    "/usr/local/nobodys": of("1001"),
  };
}

function machine(names: Names): FakeSys {
  const sys = fakeSys();
  sys.files.set("/usr/local", undefined);
  install(sys, names);
  for (const [path, file] of Object.entries(filesOf(names))) sys.tree.set(path, file);
  return sys;
}
function boot(sys: FakeSys, names: Names): string[] {
  const before = sys.done.length;
  install(sys, names);
  keepOwners(sys, NOBODY);
  return sys.done.slice(before);
}
const owners = (sys: FakeSys): unknown => structuredClone([...sys.tree]);
/** A power cut may cost a file the flags that were off for its change. */
const ownersButFlags = (sys: FakeSys): unknown =>
  [...sys.tree].map(([path, file]) => [path, structuredClone({ ...file, flags: "any" })]);
const errors = (lines: readonly string[]): string[] => lines.filter((line) => line.startsWith("error: "));
const changes = (lines: readonly string[]): string[] =>
  lines.filter((line) => /^(chown|chmod|attribute|forget|flags) /.test(line));
const record = (sys: FakeSys) => decodeIds(sys.files.get(IDS_PATH) ?? "");

test("a first boot writes down who has which number, durably, and changes no owner", () => {
  const sys = machine(OLD);
  assert.deepEqual(boot(sys, OLD), [
    "mkdir /usr/local/.petrify 700",
    `create ${IDS_PATH}.new`,
    `write ${IDS_PATH}.new at 0`,
    `sync ${IDS_PATH}.new`,
    `rename ${IDS_PATH}.new ${IDS_PATH}`,
    "sync /usr/local/.petrify",
  ]);
  const ids = new Map(Object.entries(OLD));
  assert.deepEqual(record(sys), { is: "whole", value: { user: ids, group: ids } });
});

test("a boot of an image with the same ids does nothing", () => {
  const sys = machine(OLD);
  boot(sys, OLD);
  assert.deepEqual(boot(sys, OLD), []);
});

test("names that are new are written down, and no file is looked at", () => {
  const sys = machine(OLD);
  boot(sys, OLD);
  assert.deepEqual(changes(boot(sys, { ...OLD, backup: 34 })), []);
  const decoded = record(sys);
  assert.equal(decoded.is === "whole" && decoded.value.user.get("backup"), 34);
});

test("files follow their owners, with their bits, capabilities, lists and flags; files of nobody stay apart", () => {
  const sys = machine(OLD);
  boot(sys, OLD);
  const done = boot(sys, NEW);
  assert.deepEqual(errors(done), []);
  const expected = filesOf(NEW);
  const aside = sys.tree.get("/usr/local/nobodys")!;
  assert.ok(aside.uid >= FIRST_PARKED && aside.uid < FIRST_PASSING, `${aside.uid}: it had web's new number`);
  expected["/usr/local/nobodys"] = aside;
  assert.deepEqual(owners(sys), structuredClone(Object.entries(expected)));
  assert.equal(sys.exists(MOVE_JOURNAL_PATH), false);
  assert.deepEqual(boot(sys, NEW), [], "and then there is nothing left to do");
});

test("the old image again: everything is as it was", () => {
  const sys = machine(OLD);
  const before = owners(sys);
  boot(sys, OLD);
  boot(sys, NEW);
  boot(sys, OLD);
  assert.deepEqual(owners(sys), before);
});

test("power cuts: whatever has been done, any of the images that boots next ends with the right owners", () => {
  const whole = machine(OLD);
  boot(whole, OLD);
  const old = ownersButFlags(whole);
  const steps = boot(whole, NEW).filter((line) => !line.startsWith("info")).length;
  const fresh = ownersButFlags(whole);
  assert.ok(steps > 50, `${steps}`);
  for (const [first, second] of [
    [NEW, OLD],
    [OLD, NEW],
  ] as const) {
    for (let cut = 0; cut < steps; cut++) {
      const sys = machine(OLD);
      boot(sys, OLD);
      powerFor(sys, cut, () => boot(sys, NEW));
      powerFor(sys, cut, () => boot(sys, first)); // and once more, at another place
      for (const names of [first, second]) {
        assert.deepEqual(errors(boot(sys, names)), []);
        assert.deepEqual(ownersButFlags(sys), names === OLD ? old : fresh, `cut after ${cut}`);
      }
    }
  }
});

/** Everything after so many changes fails, and changes nothing. */
function powerFor(sys: FakeSys, steps: number, run: () => void): void {
  let left = steps;
  sys.react = () => {
    if (left-- <= 0) throw new Error("power cut");
  };
  run();
  sys.react = () => {};
}

test("each step is on the disk before the next begins", () => {
  const sys = machine(OLD);
  boot(sys, OLD);
  const order = boot(sys, NEW)
    .filter((line) => /^(rename|remove|sync|chown)/.test(line))
    .map((line) => line.replace(/^chown .*/, "chown"));
  const journal = [
    `sync ${MOVE_JOURNAL_PATH}.new`,
    `rename ${MOVE_JOURNAL_PATH}.new ${MOVE_JOURNAL_PATH}`,
    "sync /usr/local/.petrify",
  ];
  assert.deepEqual(
    order.filter((line, n) => line !== order[n - 1]),
    [
      ...[...journal, "chown", "sync"],
      ...[...journal, "chown", "sync"],
      ...journal.map((line) => line.replaceAll(".moving", "")),
      ...[`remove ${MOVE_JOURNAL_PATH}`, "sync /usr/local/.petrify"],
    ],
  );
});

const NOTHING_MOVES: readonly { what: string; spoil: (sys: FakeSys) => void; says: RegExp; keeps: string; begunAnew: boolean }[] =
  [
    {
      what: "a record that is damaged: it is written again",
      spoil: (sys) => sys.files.set(IDS_PATH, "petrify-ids 1\n"),
      says: /wrong owners: \/usr\/local\/\.petrify\/ids is damaged/,
      keeps: IDS_PATH,
      begunAnew: true,
    },
    {
      what: "a record of newer software: it stays",
      spoil: (sys) => sys.files.set(IDS_PATH, encodeCheckedLines("petrify-ids", 2, ["x"])),
      says: /ids is of newer software \(format 2\)/,
      keeps: IDS_PATH,
      begunAnew: false,
    },
    {
      what: "a journal that is damaged: it goes",
      spoil: (sys) => sys.files.set(MOVE_JOURNAL_PATH, "phase 1\n"),
      says: /ids\.moving is damaged/,
      keeps: IDS_PATH,
      begunAnew: true,
    },
    {
      what: "a journal of newer software: it stays",
      spoil: (sys) => sys.files.set(MOVE_JOURNAL_PATH, encodeCheckedLines("petrify-id-moves", 2, ["x"])),
      says: /ids\.moving is of newer software \(format 2\)/,
      keeps: MOVE_JOURNAL_PATH,
      begunAnew: false,
    },
    {
      what: "a full disk",
      spoil: (sys) => sys.refuses.set(`create ${MOVE_JOURNAL_PATH}`, NO_SPACE),
      says: /persistent files may have wrong owners: .*create/,
      keeps: IDS_PATH,
      begunAnew: false,
    },
    {
      what: "a disk that is full after the first bytes",
      spoil: (sys) => sys.refuses.set(`write ${MOVE_JOURNAL_PATH}`, NO_SPACE),
      says: /persistent files may have wrong owners: .*write/,
      keeps: IDS_PATH,
      begunAnew: false,
    },
    {
      what: "an image without a list of users",
      spoil: (sys) => sys.files.delete("/run/petrify/root/etc/passwd"),
      says: /wrong owners: .*passwd/,
      keeps: IDS_PATH,
      begunAnew: false,
    },
  ];
for (const { what, spoil, says, keeps, begunAnew } of NOTHING_MOVES) {
  test(`no owner is changed, and the console says so: ${what}`, () => {
    const sys = machine(OLD);
    boot(sys, OLD);
    install(sys, NEW);
    spoil(sys);
    const text = sys.files.get(keeps);
    const before = sys.done.length;
    keepOwners(sys, NOBODY);
    const done = sys.done.slice(before);
    assert.deepEqual(changes(done), []);
    assert.equal(errors(done).length, 1);
    assert.match(errors(done)[0]!, says);
    assert.equal(sys.exists(MOVE_JOURNAL_PATH), keeps === MOVE_JOURNAL_PATH);
    if (!begunAnew) return assert.equal(sys.files.get(keeps), text);
    const ids = new Map(Object.entries(NEW));
    assert.deepEqual(record(sys), { is: "whole", value: { user: ids, group: ids } });
  });
}

test("a full disk's owners follow as soon as there is room", () => {
  const sys = machine(OLD);
  boot(sys, OLD);
  sys.refuses.set(`create ${MOVE_JOURNAL_PATH}`, NO_SPACE);
  boot(sys, NEW);
  sys.refuses.clear();
  boot(sys, NEW);
  assert.equal(sys.tree.get("/usr/local/redis")!.uid, NEW["redis"]);
});

test("without room for the note of what to give back, owner and bits are right all the same", () => {
  const sys = machine(OLD);
  boot(sys, OLD);
  for (const path of sys.tree.keys()) sys.refuses.set(`attribute ${path} trusted`, NO_SPACE);
  assert.deepEqual(errors(boot(sys, NEW)), []);
  const { mode, uid } = sys.tree.get("/usr/local/set-uid")!;
  assert.deepEqual([mode, uid], [0o106755, NEW["postgres"]]);
});

test("a file or folder that cannot be changed or read is named, and the others follow", () => {
  const sys = machine(OLD);
  boot(sys, OLD);
  sys.refuses.set("chown /usr/local/set-uid", 5);
  sys.refuses.set("list /usr/local/postgres", 5);
  const said = errors(boot(sys, NEW));
  assert.match(said[0]!, /the owner of \/usr\/local\/postgres could not be changed/);
  assert.match(said[1]!, /the owner of \/usr\/local\/set-uid could not be changed/);
  assert.match(said[2]!, /2 persistent files or folders keep a wrong owner/);
  assert.equal(sys.tree.get("/usr/local/postgres")!.uid, NEW["postgres"]);
  assert.equal(sys.tree.get("/usr/local/redis")!.uid, NEW["redis"]);
});

test("many files: the console is told once, the kernel's log every few seconds", () => {
  const sys = machine(OLD);
  boot(sys, OLD);
  for (let n = 0; n < 1024; n++) sys.tree.set(`/usr/local/file-${n}`, filesOf(OLD)["/usr/local/redis"]!);
  sys.react = () => sys.pause(10);
  const said = boot(sys, NEW).filter((line) => line.includes("changing owners"));
  assert.match(said[0]!, /^error: changing owners of persistent files, step 1 of 2: 512 files seen, 5\d\d changed$/);
  assert.match(said[1]!, /^info: /);
});
