import assert from "node:assert/strict";
import { test } from "node:test";
import type { TreeEntry } from "../layout/compiled-config.ts";
import { ownerNames } from "../layout/owner-names.ts";
import { fakeSys, type FakeSys } from "./fake-sys.ts";
import { layEntries, onlyIn, type LayPlace } from "./lay-entries.ts";

const NAMES = ownerNames("root:x:0:0::/:/bin/sh\nada:x:1000:1001::/:\n# x\nada:x:7:7::/:\n", "root:x:0:\nstaff:x:50:ada\n");
const ROOT: LayPlace = {
  root: "/sysroot",
  makeIn: ["/etc", "/var"],
  follow: true,
  names: NAMES,
  refusal: onlyIn(["/etc", "/var"]),
};
const DATA: LayPlace = { root: "", makeIn: ["/home"], follow: false, names: NAMES, refusal: onlyIn(["/home"]) };

const image = (): FakeSys => {
  const sys = fakeSys({
    "/sysroot/etc/motd": "welcome\n",
    "/sysroot/usr/lib/text": "of the image\n",
    "/outside/secret": "secret",
  });
  for (const folder of ["/sysroot", "/sysroot/etc", "/sysroot/var", "/sysroot/usr", "/sysroot/run"])
    sys.files.set(folder, undefined);
  sys.done.length = 0;
  return sys;
};
const link = (sys: FakeSys, path: string, target: string): void => {
  sys.makeLink(path, target);
  sys.done.length = 0;
};
const file = (path: string, text: string, more: object = {}): TreeEntry => ({
  ...{ path, when: "root", owner: "root:root", what: { is: "file", mode: 0o644, content: { text }, ...more } },
});
const lay = (sys: FakeSys, entries: readonly TreeEntry[], place = ROOT): string[] => {
  const notes: string[] = [];
  layEntries(sys, entries, place, notes);
  return notes;
};

test("files, folders and links are laid with their owners and modes; a missing folder is made", () => {
  const sys = image();
  const notes = lay(sys, [
    { path: "/etc/app", when: "root", owner: "ada", what: { is: "folder", mode: 0o2750 } },
    { ...file("/etc/app/x", "\u00fc\n"), owner: "ada:staff" },
    { path: "/etc/new/y", when: "root", owner: "0:50", what: { is: "file", mode: 0o4755, content: { base64: "AAEC" } } },
    { path: "/etc/localtime", when: "root", owner: "root", what: { is: "link", to: "/usr/share/zoneinfo/UTC" } },
  ]);
  assert.deepEqual(notes, []);
  assert.equal(sys.readText("/sysroot/etc/app/x"), "\u00fc\n");
  assert.equal(sys.files.get("/sysroot/etc/new/y"), "\0\u0001\u0002");
  assert.equal(sys.readLink("/sysroot/etc/localtime"), "/usr/share/zoneinfo/UTC");
  assert.deepEqual(
    sys.done.filter((line) => line.startsWith("own") || line.startsWith("mkdir")),
    [
      "mkdir /sysroot/etc/app 700",
      "own /sysroot/etc/app 1000:1001 2750",
      "own /sysroot/etc/app/x.petrify-new 1000:50 644",
      "mkdir /sysroot/etc/new 755",
      "own /sysroot/etc/new/y.petrify-new 0:50 4755",
    ],
  );
});

test("nothing is written that is there already", () => {
  const sys = image();
  const entries = [
    { ...file("/etc/motd", "hello"), owner: "ada" },
    { path: "/etc/b", when: "root", owner: "ada", what: { is: "file", mode: 0o600, content: { base64: "AAEC" } } },
    { path: "/etc/d", when: "root", owner: "ada", what: { is: "folder", mode: 0o700 } },
    { path: "/etc/l", when: "root", owner: "ada", what: { is: "link", to: "motd" } },
    file("/etc/a", "more\n", { append: true }),
    { path: "/etc/gone", when: "root", owner: "root", what: { is: "gone" } },
  ] as const;
  lay(sys, entries);
  const before = sys.done.length;
  assert.deepEqual(lay(sys, entries), []);
  assert.deepEqual(sys.done.slice(before), []);
});

test("a text is added to what the image has, also where that is a link to another file", () => {
  const sys = image();
  link(sys, "/sysroot/etc/lib", "../usr/lib");
  link(sys, "/sysroot/etc/linked", "lib/text");
  assert.deepEqual(
    lay(sys, [file("/etc/motd", "more\n", { append: true }), file("/etc/linked", "more\n", { append: true })]),
    [],
  );
  assert.equal(sys.readText("/sysroot/etc/motd"), "welcome\nmore\n");
  assert.equal(sys.readText("/sysroot/etc/linked"), "of the image\nmore\n");
  assert.equal(sys.readText("/sysroot/usr/lib/text"), "of the image\n");
});

test("what the image has is hidden, and a file takes the place of a folder or a link", () => {
  const sys = image();
  link(sys, "/sysroot/etc/link", "/outside/secret");
  sys.files.set("/sysroot/etc/folder/x", "x");
  sys.files.set("/sysroot/etc/folder", undefined);
  assert.deepEqual(
    lay(sys, [
      { path: "/etc/motd", when: "root", owner: "root", what: { is: "gone" } },
      file("/etc/link", "mine"),
      file("/etc/folder", "mine"),
    ]),
    [],
  );
  assert.equal(sys.exists("/sysroot/etc/motd"), false);
  assert.equal(sys.readText("/sysroot/etc/link"), "mine");
  assert.equal(sys.readText("/sysroot/etc/folder"), "mine");
  assert.equal(sys.readText("/outside/secret"), "secret");
});

const LINKS: Readonly<Record<string, readonly [target: string, path: string, why: RegExp]>> = {
  "to the root of the initrd": ["/outside", "/etc/x/secret", /there is no \/outside/],
  "up and out": ["../../../../outside", "/etc/x/secret", /there is no \/outside/],
  "into /usr": ["/usr/lib", "/etc/x/text", /is not in \/etc, \/var/],
  "to /run": ["../run", "/etc/x/text", /is not in \/etc, \/var/],
  "to itself": ["/etc/x", "/etc/x/text", /links without an end/],
  "to a file": ["motd", "/etc/x/text", /has a file in its way: \/etc\/motd/],
};
for (const [what, [target, path, why]] of Object.entries(LINKS)) {
  test(`nothing is laid by way of a link ${what}`, () => {
    const sys = image();
    link(sys, "/sysroot/etc/x", target);
    const before = new Map(sys.files);
    assert.match(lay(sys, [file(path, "mine")]).join(), why);
    assert.deepEqual(new Map(sys.files), before);
  });
}

test("a link of the image from one folder that can be written to, to another, is followed", () => {
  const sys = image();
  link(sys, "/sysroot/etc/x", "/var/y");
  assert.deepEqual(lay(sys, [file("/etc/x/z", "mine")]), []);
  assert.equal(sys.readText("/sysroot/var/y/z"), "mine");
});

test("a link that an entry makes is seen by the next one", () => {
  const sys = image();
  const notes = lay(sys, [
    file("/etc/d/one", "1"),
    { path: "/etc/d", when: "root", owner: "root", what: { is: "link", to: "/usr/lib" } },
    file("/etc/d/text", "2"),
  ]);
  assert.match(notes.join(), /is not in \/etc, \/var/);
  assert.equal(sys.readText("/sysroot/usr/lib/text"), "of the image\n");
});

test("on data, where others may make links, none is followed", () => {
  const sys = fakeSys({ "/etc/shadow": "secret" });
  for (const folder of ["/home", "/home/ada", "/etc"]) sys.files.set(folder, undefined);
  link(sys, "/home/ada/.ssh", "/etc");
  link(sys, "/home/ada/x", "/etc/shadow");
  link(sys, "/home/ada/y", "/etc/shadow");
  const notes = lay(
    sys,
    [file("/home/ada/.ssh/shadow", "mine"), file("/home/ada/x", "mine"), file("/home/ada/y", "!", { append: true })],
    DATA,
  );
  assert.match(notes.join(), /has a link in its way: \/home\/ada\/\.ssh/);
  assert.equal(sys.readText("/etc/shadow"), "secret");
  assert.equal(sys.readText("/home/ada/x"), "mine");
  assert.equal(sys.readText("/home/ada/y"), "!", "nobody gets to see what a link of his leads to");
});

test("what cannot be written to is refused by name, and the rest is laid", () => {
  const sys = image();
  const notes = lay(sys, [
    file("/usr/x", "x"),
    file("/etc", "x"),
    { path: "/etc", when: "root", owner: "root", what: { is: "gone" } },
    file("/nowhere/x", "x"),
    { path: "/etc/b", when: "root", owner: "root", what: { is: "file", mode: 0o600, content: { base64: "A" } } },
    file("/etc/last", "x"),
  ]);
  assert.equal(notes.length, 5);
  for (const [index, why] of [/"\/usr\/x"/, /"\/etc"/, /"\/etc"/, /no \/nowhere/, /no Base64/].entries())
    assert.match(notes[index]!, why);
  assert.equal(sys.readText("/sysroot/etc/last"), "x");
  assert.equal(sys.readText("/sysroot/etc/motd"), "welcome\n");
});

test("what belongs to nobody is root's, and no program of root's", () => {
  const sys = image();
  const notes = lay(sys, [
    { ...file("/etc/x", ""), owner: "eve:staff", what: { is: "file", mode: 0o6755, content: { text: "x" } } },
  ]);
  assert.deepEqual(notes, ['"/etc/x" belongs to root: there is no "eve:staff"']);
  assert.ok(sys.done.includes("own /sysroot/etc/x.petrify-new 0:0 755"));
});

test("a folder that is only needed for what lies in it stays as it is where it is there", () => {
  const sys = image();
  const folder = (path: string, keep: boolean): TreeEntry => ({
    ...{ path, when: "root", owner: "ada" },
    what: { is: "folder", mode: 0o700, ...(keep && { keep: true }) },
  });
  assert.deepEqual(lay(sys, [folder("/etc/new", true)]), []);
  assert.ok(sys.done.includes("own /sysroot/etc/new 1000:1001 700"));
  sys.done.length = 0;
  lay(sys, [{ ...folder("/etc/new", true), owner: "root" }]);
  assert.deepEqual(sys.done, []);
  lay(sys, [{ ...folder("/etc/new", false), owner: "root:root" }]);
  assert.deepEqual(sys.done, ["own /sysroot/etc/new 0:0 700"]);
});
