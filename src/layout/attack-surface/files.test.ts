import assert from "node:assert/strict";
import { test } from "node:test";
import { elf } from "../../../tests/support/elf.ts";
import { fileFindings, programsIn, type SurfaceFile } from "./files.ts";

let inode = 0;
const file = (path: string, more: Partial<SurfaceFile> = {}): SurfaceFile => ({
  ...{ path, kind: "file", mode: 0o755, uid: 0, gid: 0, nid: ++inode, head: elf({ type: 2 }) },
  ...more,
});
const link = (path: string, leadsTo?: string): SurfaceFile => file(path, { kind: "link", mode: 0o777, leadsTo });
const script = (line: string): Uint8Array => new TextEncoder().encode(`${line}\n`);

test("a program is one however many names it has, and has the roles of all of them", () => {
  const programs = programsIn([
    ...[file("/usr/bin/perl", { nid: 900_000 }), file("/usr/bin/perl5.40.1", { nid: 900_000 })],
    ...[file("/usr/bin/tool"), link("/usr/bin/sh", "/usr/bin/tool"), link("/usr/bin/awk", "/usr/bin/tool")],
    ...[link("/usr/bin/gone"), link("/usr/bin/vi", "/usr/bin/text"), file("/usr/bin/text", { mode: 0o644 })],
  ]);
  assert.deepEqual(
    programs.map(({ path, names, roles }) => ({ path, names, roles })),
    [
      { path: "/usr/bin/perl", names: ["/usr/bin/perl5.40.1"], roles: ["interpreter"] },
      { path: "/usr/bin/tool", names: ["/usr/bin/awk", "/usr/bin/sh"], roles: ["shell", "interpreter"] },
    ],
  );
});

for (const [what, entry, want] of [
  ["a program", file("/usr/bin/ls"), ["executable /usr/bin/ls ELF"]],
  [
    "a script",
    file("/usr/bin/x", { head: script("#!/usr/bin/env perl") }),
    ["executable /usr/bin/x script of /usr/bin/env perl"],
  ],
  ["what nobody can tell", file("/usr/bin/x", { head: script("text") }), ["executable /usr/bin/x of no known format"]],
  ["a library", file("/usr/lib/liba.so.1", { head: elf({ type: 3 }) }), []],
  ["a text", file("/etc/x", { mode: 0o644 }), []],
  [
    "what runs as its owner",
    file("/usr/bin/x", { mode: 0o4754, gid: 103 }),
    ["executable /usr/bin/x ELF", "setuid /usr/bin/x 4754, user 0, group 103"],
  ],
  [
    "what runs as its group",
    file("/usr/bin/x", { mode: 0o2755, gid: 42 }),
    ["executable /usr/bin/x ELF", "setgid /usr/bin/x 2755, user 0, group 42"],
  ],
  ["set-uid without execution", file("/usr/bin/x", { mode: 0o4644 }), ["setuid /usr/bin/x 4644, user 0, group 0"]],
  ["a folder that gives its group", file("/srv/x", { kind: "folder", mode: 0o2775 }), []],
  ["a folder for everybody", file("/srv/x", { kind: "folder", mode: 0o777 }), ["worldWritable /srv/x folder"]],
  ["a sticky one", file("/tmp", { kind: "folder", mode: 0o1777 }), ["worldWritable /tmp folder, sticky"]],
  ["a file for everybody", file("/etc/x", { mode: 0o666 }), ["worldWritable /etc/x file"]],
  ["a device for everybody", file("/dev/null", { kind: "character", mode: 0o666 }), []],
  ["a link", link("/usr/bin/x", "/usr/bin/gone"), []],
  [
    "a capability",
    file("/usr/bin/ping", { capability: Buffer.from("0100000200200000000000000000000000000000", "hex") }),
    ["executable /usr/bin/ping ELF", "capability /usr/bin/ping cap_net_raw=ep"],
  ],
  [
    "an attribute that is none",
    file("/usr/bin/x", { mode: 0o644, capability: Buffer.from("07", "hex") }),
    ["capability /usr/bin/x of no form that the kernel knows"],
  ],
] as const) {
  test(`${what}: ${want.join("; ") || "nothing"}`, () => {
    const found = fileFindings([entry]).map(({ kind, name, detail }) => `${kind} ${name} ${detail}`);
    assert.deepEqual(found, want);
  });
}

test("a role tells the names that it is had by", () => {
  const found = fileFindings([file("/usr/bin/tool"), link("/usr/bin/sh", "/usr/bin/tool"), link("/usr/bin/x", "/usr/bin/tool")]);
  assert.deepEqual(
    found.filter(({ kind }) => kind === "shell"),
    [{ kind: "shell", name: "/usr/bin/tool", detail: "also /usr/bin/sh" }],
  );
});
