import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { cleanFilePages, giveBackFilePages } from "./trim-memory.ts";

const mapping = (head: string, anonymous: number): string =>
  `${head}\nSize:  4 kB\nRss:  4 kB\nAnonymous:  ${anonymous} kB\nLazyFree:  0 kB\n`;

test("only pages of files that cannot be written and never were are given back", () => {
  const smaps = [
    mapping("00400000-00500000 r-xp 00000000 fe:00 53  /usr/bin/x", 0),
    mapping("00500000-00600000 r--p 00100000 fe:00 53  /usr/bin/x y", 0),
    mapping("00600000-00700000 r--p 00200000 fe:00 53  /usr/bin/x", 8), // relocated
    mapping("00700000-00800000 rw-p 00300000 fe:00 53  /usr/bin/x", 0),
    mapping("7f0000000000-7f0000001000 r--s 00000000 fe:00 9  /shared", 0),
    mapping("7f0000002000-7f0000003000 r-xp 00000000 00:00 0  [vdso]", 0),
    mapping("7f0000004000-7f0000005000 r--p 00000000 00:00 0 ", 0),
  ].join("");
  assert.deepEqual(cleanFilePages(smaps), [
    { start: 0x400000n, length: 0x100000n },
    { start: 0x500000n, length: 0x100000n },
  ]);
});

test("this very process is smaller afterwards, and goes on", () => {
  const files = (): number => Number(/^RssFile:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);
  const before = files();
  giveBackFilePages();
  const after = files();
  assert.ok(after < before / 2, `${before} → ${after} kB`);
  assert.equal(JSON.parse(JSON.stringify({ a: [1, "x"] })).a[1], "x");
});
