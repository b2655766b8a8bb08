import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { elf } from "../../../tests/support/elf.ts";
import { HEAD_SIZE, interpretersOf, programFormat } from "./program-format.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const ELF = { kind: "elf" } as const;

for (const [what, path, head, format] of [
  ["a program with a loader", "/usr/bin/a", elf({ type: 3, loader: true }), ELF],
  ["a program without one at a fixed address", "/usr/bin/a", elf({ type: 2 }), ELF],
  ["a program without one at any address", "/usr/bin/a", elf({ type: 3 }), ELF],
  ["a program of 32 bits", "/usr/bin/a", elf({ type: 3, loader: true, bits: 32 }), ELF],
  ["a program of the other byte order", "/usr/bin/a", elf({ type: 3, loader: true, big: true }), ELF],
  ["a library that may be run", "/usr/lib/libc.so.6", elf({ type: 3, loader: true }), ELF],
  ["the loader", "/usr/lib/ld-linux-x86-64.so.2", elf({ type: 3 }), ELF],
  ["a library", "/usr/lib/liba.so.1", elf({ type: 3 }), undefined],
  ["a library of 32 bits", "/usr/lib/liba.so", elf({ type: 3, bits: 32 }), undefined],
  ["a kernel module", "/usr/lib/a.ko", elf({ type: 1 }), undefined],
  ["an ELF that ends at once", "/usr/bin/a", elf({ type: 2 }).subarray(0, 20), undefined],
  ["an empty file", "/usr/bin/a", text(""), undefined],
  ["a text", "/usr/bin/a", text("echo\n"), { kind: "unknown" }],
  ["a script", "/usr/bin/a", text("#!/bin/sh\n"), { kind: "script", interpreter: "/bin/sh" }],
  ["a script with blanks", "/usr/bin/a", text("#! \t/bin/sh \n"), { kind: "script", interpreter: "/bin/sh" }],
  ["a script with words", "/usr/bin/a", text("#!/bin/x -a  b \n"), { kind: "script", interpreter: "/bin/x", argument: "-a  b" }],
  ["a script of no interpreter", "/usr/bin/a", text("#!\n/bin/sh"), { kind: "unknown" }],
] as const) {
  test(`${what} is ${format?.kind ?? "no program"}`, () => assert.deepEqual(programFormat(head, path), format));
}

for (const [line, want] of [
  ["#!/usr/bin/perl -w\n", ["/usr/bin/perl"]],
  ["#!/usr/bin/env python3\n", ["/usr/bin/env", "python3"]],
  ["#!/usr/bin/env -S A=1 node --flag\n", ["/usr/bin/env", "node"]],
  ["#!/usr/bin/env\n", ["/usr/bin/env"]],
] as const) {
  test(`${JSON.stringify(line)} needs ${want.join(" and ")}`, () => {
    const format = programFormat(text(line), "/a");
    assert.ok(format?.kind === "script");
    assert.deepEqual(interpretersOf(format), want);
  });
}

test("any bytes are judged", () => {
  const magic = fc.constantFrom([], [0x7f, 0x45, 0x4c, 0x46], [0x23, 0x21]);
  fc.assert(
    fc.property(magic, fc.uint8Array({ maxLength: HEAD_SIZE }), (start, bytes) => {
      programFormat(Uint8Array.from([...start, ...bytes]), "/a");
    }),
  );
});
