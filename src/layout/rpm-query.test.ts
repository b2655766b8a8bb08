import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseRpmQuery } from "./rpm-query.ts";

test("a line is a package; what is missing is left out, and keys are no packages", () => {
  const lines = [
    "vim-common\t2\t9.1.1\t1.fc41\tx86_64\tvim-9.1.1-1.fc41.src.rpm\tVim AND MIT\tFedora Project\tFedora\t37000000\t/bin/sh rpmlib(X) libc.so.6()(64bit) libc.so.6()(64bit) \tvim-common config(vim-common) ",
    "tool\t(none)\t1\t2\tnoarch\t(none)\t(none)\t(none)\t(none)\t(none)\t\t",
    "gpg-pubkey\t(none)\te99d6ad1\t64d2612c\t(none)\t(none)\tpubkey\t(none)\t(none)\t0\t\t",
    "",
  ];
  assert.deepEqual(parseRpmQuery(lines.join("\n")), [
    {
      ...{ kind: "rpm", name: "vim-common", version: "9.1.1-1.fc41", architecture: "x86_64", epoch: 2 },
      source: { name: "vim", version: "9.1.1-1.fc41" },
      ...{ licence: "Vim AND MIT", maintainer: "Fedora Project", installedSize: 37_000_000 },
      depends: [["/bin/sh"], ["libc.so.6()(64bit)"]],
      provides: ["vim-common", "config(vim-common)"],
    },
    { kind: "rpm", name: "tool", version: "1-2", architecture: "noarch", depends: [], provides: [] },
  ]);
});

test("whatever the text, reading it ends, and packages have names and versions", () => {
  const word = fc.constantFrom("\t", "\n", "a", "(none)", "-", ".src.rpm", "1", " ");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(word).map((words) => words.join("")),
      ),
      (text) => {
        for (const { name, version } of parseRpmQuery(text)) assert.ok(name !== "" && version !== "");
      },
    ),
    { numRuns: 1000 },
  );
});
