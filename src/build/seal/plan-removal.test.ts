import assert from "node:assert/strict";
import { test } from "node:test";
import { elf } from "../../../tests/support/elf.ts";
import { programsIn, type SurfaceFile } from "../../layout/attack-surface/files.ts";
import { AGENT_PROGRAM, HELPERS, helperProgram, PROGRAM_FILE } from "../../layout/own-programs.ts";
import { planRemoval, type RemovalPlan } from "./plan-removal.ts";

let inode = 1;
const file = (path: string, head: Uint8Array | string = elf({ type: 2 })): SurfaceFile => ({
  ...{ path, kind: "file", mode: 0o755, uid: 0, gid: 0, nid: inode++ },
  head: typeof head === "string" ? new TextEncoder().encode(head) : head,
});
const link = (path: string, leadsTo: string): SurfaceFile => ({
  path,
  kind: "link",
  mode: 0o777,
  uid: 0,
  gid: 0,
  nid: inode++,
  leadsTo,
});
const real: Readonly<Record<string, string>> = { "/bin/sh": "/usr/bin/dash", perl: "/usr/bin/perl" };
const plan = (files: readonly SurfaceFile[], ...kept: string[]): RemovalPlan =>
  planRemoval(programsIn(files), new Set(kept), (name) => real[name] ?? name);
const gone = ({ removed, links }: RemovalPlan): string[] =>
  [...removed.flatMap(({ path, names }) => [path, ...names]), ...links].toSorted();

const SHELL = [file("/usr/bin/dash"), link("/usr/bin/sh", "/usr/bin/dash")];

test("a program goes by what it is, with all of its names", () => {
  const sudo = file("/usr/bin/sudo");
  const same = { ...file("/usr/bin/sudoedit"), nid: sudo.nid };
  const { removed } = plan([...SHELL, sudo, same, file("/usr/bin/python3.13"), file("/usr/bin/ls")]);
  assert.deepEqual(
    removed.map(({ path, names, what }) => [path, names, what]),
    [
      ["/usr/bin/dash", ["/usr/bin/sh"], "a shell"],
      ["/usr/bin/sudo", ["/usr/bin/sudoedit"], "a way to become another user"],
      ["/usr/bin/python3.13", [], "an interpreter"],
    ],
  );
});

test("a program that is a shell by a link only goes too", () => {
  assert.deepEqual(gone(plan([file("/opt/odd"), link("/usr/bin/sh", "/opt/odd")])), ["/opt/odd", "/usr/bin/sh"]);
});

test("scripts go with what they are scripts of, and scripts of those scripts", () => {
  const scripts = [
    file("/usr/bin/a", "#!/bin/sh\n"),
    file("/usr/bin/b", "#!/usr/bin/a\n"),
    file("/usr/bin/c", "#!/usr/bin/env perl\n"),
  ];
  const { removed } = plan([...scripts.toReversed(), ...SHELL, file("/usr/bin/perl")]);
  assert.deepEqual(removed.map(({ path, what }) => `${path}: ${what}`).toSorted(), [
    "/usr/bin/a: a script of /bin/sh",
    "/usr/bin/b: a script of /usr/bin/a",
    "/usr/bin/c: a script of perl",
    "/usr/bin/dash: a shell",
    "/usr/bin/perl: an interpreter",
  ]);
});

test("what the recipe keeps stays by any of its names, with its scripts", () => {
  const files = [...SHELL, file("/usr/bin/bash"), file("/usr/bin/a", "#!/bin/sh\n"), file("/usr/bin/b", "#!/usr/bin/bash\n")];
  assert.deepEqual(gone(plan(files, "/usr/bin/sh")), ["/usr/bin/b", "/usr/bin/bash"]);
});

test("petrify's programs and what the system needs stay; of the latter a name that gives rights goes", () => {
  const files = [
    file(PROGRAM_FILE),
    ...[AGENT_PROGRAM, ...HELPERS.map((name) => helperProgram(name))].map((path) => link(path, PROGRAM_FILE)),
    file("/usr/bin/systemd-run"),
    link("/usr/bin/run0", "/usr/bin/systemd-run"),
    link("/usr/bin/other", "/usr/bin/systemd-run"),
  ];
  assert.deepEqual(gone(plan(files)), ["/usr/bin/run0"]);
});
