import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseApkInstalled } from "./apk-installed.ts";

const INSTALLED = `C:Q1+hHMWsYsMZYdmHzZ6rOeCpEE6Sk=
P:musl
V:1.2.5-r9
A:x86_64
S:411436
I:671744
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Natanael Copa <ncopa@alpinelinux.org>
t:1738000000
c:1a3b
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1abc
P:not-a-package

C:Q1xyz
P:busybox-binsh
V:1.37.0-r12
A:x86_64
L:GPL-2.0-only
o:busybox
D:busybox=1.37.0-r12 so:libc.musl-x86_64.so.1 !conflict a>=2 b~1 c@edge
p:/bin/sh cmd:sh=1.37.0-r12

P:unfinished
`;

test("packages are read, with what they were built from and what they need", () => {
  assert.deepEqual(parseApkInstalled(INSTALLED), [
    {
      ...{ kind: "apk", name: "musl", version: "1.2.5-r9", architecture: "x86_64" },
      source: { name: "musl", version: "1.2.5-r9" },
      ...{ licence: "MIT", maintainer: "Natanael Copa <ncopa@alpinelinux.org>", installedSize: 671_744 },
      depends: [],
      provides: ["so:libc.musl-x86_64.so.1"],
    },
    {
      ...{ kind: "apk", name: "busybox-binsh", version: "1.37.0-r12", architecture: "x86_64" },
      source: { name: "busybox", version: "1.37.0-r12" },
      licence: "GPL-2.0-only",
      depends: [["busybox"], ["so:libc.musl-x86_64.so.1"], ["a"], ["b"], ["c"]],
      provides: ["/bin/sh", "cmd:sh"],
    },
  ]);
});

test("whatever the text, reading it ends, and packages have names and versions", () => {
  const word = fc.constantFrom("P:", "V:", "F:", "D:", "\n", "\n\n", "a", "=", "!", "so:", " ");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(word).map((words) => words.join("")),
      ),
      (text) => {
        for (const { name, version } of parseApkInstalled(text)) assert.ok(name !== "" && version !== "");
      },
    ),
    { numRuns: 1000 },
  );
});
