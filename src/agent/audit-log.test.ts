import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AuditFiles } from "../host/audit-files.ts";
import { sha256 } from "../host/sha256.ts";
import {
  AUDIT_FILE_SIZE,
  AUDIT_FILES,
  AUDIT_HEAD,
  AUDIT_LINE_SIZE,
  encodeAuditEntry,
  readAudit,
  usedOf,
  type AuditBytes,
  type AuditFields,
  type AuditReport,
} from "../layout/audit-log.ts";
import { auditLog, auditPieces, type AuditLog } from "./audit-log.ts";

type Disk = Record<string, Uint8Array>;

/** Files in memory. @param powerAt after how many bytes of all that is written it goes */
function filesOn(disk: Disk, powerAt = Infinity): AuditFiles {
  let left = powerAt;
  const cut = (bytes: Uint8Array): Uint8Array => {
    const written = bytes.subarray(0, Math.max(0, left));
    left -= bytes.length;
    return written;
  };
  const failIfCut = (): void => {
    if (left < 0) throw new Error("the power is gone");
  };
  return {
    read: async () => await Promise.resolve(bytesOf(disk)),
    make: async (name, bytes) => {
      await Promise.resolve();
      if (cut(bytes).length === bytes.length) disk[name] = bytes.slice(); // all of it or nothing
      failIfCut();
    },
    write: async (name, offset, bytes) => {
      await Promise.resolve();
      // A head is one sector.
      const written = cut(bytes);
      if (name !== AUDIT_HEAD || written.length === bytes.length) disk[name]!.set(written, offset);
      failIfCut();
    },
  };
}
const bytesOf = (disk: Disk): AuditBytes => ({ files: [disk[AUDIT_FILES[0]], disk[AUDIT_FILES[1]]], head: disk[AUDIT_HEAD] });
const report = (disk: Disk, known?: Parameters<typeof readAudit>[2]): AuditReport => readAudit(bytesOf(disk), sha256, known);

const logOn = (disk: Disk, powerAt?: number, said: string[] = []): AuditLog =>
  auditLog({ files: filesOn(disk, powerAt), now: () => 1_700_000_000.5, sha256, alarm: (line) => void said.push(line) });

const BEGIN: AuditFields = {
  ...{ is: "begin", call: "POST /upgrade", arguments: { source: "registry.example/edge:1.5.0" } },
  by: { name: "Zoë", via: "api", role: "operator", serial: "0A", address: "192.0.2.1" },
};
const someEntries = async (log: AuditLog): Promise<void> => {
  await log.append(BEGIN);
  await log.append({ is: "end", of: 2, outcome: "failed", code: "X", reason: "no\nroom" });
};
/** Long enough to turn soon. */
const LONG: AuditFields = { ...BEGIN, arguments: { text: "x".repeat(3000) } };
const FILL = Math.ceil(AUDIT_FILE_SIZE / 3000) + 2;

suite("the audit log", () => {
  test("has what was written, in order, each entry with the digest of the one before", async () => {
    const disk: Disk = {};
    await someEntries(logOn(disk));
    await logOn(disk).append({ is: "operation", operation: "ab", kind: "upgrade", outcome: "succeeded" });
    const { entries, problems, head } = report(disk);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      entries.map(({ n, is, at }) => [n, is, at]),
      [
        [1, "open", 1_700_000_000],
        [2, "begin", 1_700_000_000],
        [3, "end", 1_700_000_000],
        [4, "operation", 1_700_000_000],
      ],
    );
    assert.equal(entries[1]!.is === "begin" && entries[1]!.by.name, "Zoë");
    assert.equal(head.n, 4);
    const [, line = ""] = Buffer.from(disk["audit-1"]!).toString("latin1").split("\n");
    const [, body = "", hash] = /^(.*),"hash":"(.*)"\}$/.exec(line)!;
    assert.equal(Buffer.from(sha256.digest(Buffer.from(`${body}}`))).toString("hex"), hash, "anybody can compare it");
  });

  test("is not what was written once any byte of it is another, wherever", async () => {
    const disk: Disk = {};
    await someEntries(logOn(disk));
    const used = disk["audit-1"]!.lastIndexOf(0x7d) + 3;
    const places = [
      // Every byte of two entries, and some of the rest.
      ...Array.from({ length: used }, (_, offset) => ["audit-1", offset] as const).filter(([, at]) => at < 400 || at % 9 === 0),
      ...Array.from({ length: 90 }, (_, offset) => [AUDIT_HEAD, offset] as const),
      [AUDIT_HEAD, 511] as const,
      ...[AUDIT_FILE_SIZE - 1, AUDIT_FILE_SIZE / 2].map((offset) => ["audit-1", offset] as const),
      ["audit-2", 0] as const,
    ];
    for (const [name, offset] of places) {
      const bytes = disk[name]!;
      const before = bytes[offset]!;
      bytes[offset] = before ^ [1, 0x20, 0x80][offset % 3]!;
      assert.notDeepEqual(report(disk).problems, [], `${name} at ${offset}, ${before} is ${bytes[offset]}`);
      bytes[offset] = before;
    }
    assert.deepEqual(report(disk).problems, []);
  });

  test("misses what was taken out: an entry, the first ones, the last ones, a file, the head", async () => {
    const disk: Disk = {};
    for (let count = 0; count < 3; count++) await someEntries(logOn(disk));
    const lines = Buffer.from(disk["audit-1"]!).toString("latin1").trimEnd().split("\n");
    const with1 = (kept: readonly string[]): Disk => ({
      ...disk,
      "audit-1": Buffer.from(kept.join("\n").padEnd(AUDIT_FILE_SIZE, "\n"), "latin1"),
    });
    const without = (name: string): Disk => Object.fromEntries(Object.entries(disk).filter(([other]) => other !== name));
    for (const [what, kept, why] of [
      ["one", with1(lines.toSpliced(3, 1)), /between 3 and 5 are missing/],
      ["the first", with1(lines.slice(2)), /begins with entry 3/],
      ["the last", with1(lines.slice(0, -1)), /entry 7 was written, and is missing/],
      ["all", with1([]), /entry 7 was written, and is missing/],
      ["the file", without("audit-1"), /entry 7 was written, and is missing/],
      ["the head", without(AUDIT_HEAD), /head is missing/],
    ] as const) {
      const left = structuredClone(kept);
      assert.match(report(left).problems.join("; "), why, what);
      // It goes on all the same, and does not hide it.
      await someEntries(logOn(left));
      if (what !== "the head") assert.notDeepEqual(report(left).problems, [], what);
      else assert.ok(report(left).entries.some(({ is }) => is === "mended"));
    }
  });

  test("misses an entry that another one was put in place of, with a digest of its own", async () => {
    const disk: Disk = {};
    for (let count = 0; count < 2; count++) await someEntries(logOn(disk));
    const [first, second, ...rest] = Buffer.from(disk["audit-1"]!).toString("latin1").trimEnd().split("\n");
    const before = /"hash":"([0-9a-f]{64})"/.exec(first!)![1]!;
    const by = { name: "mallory", via: "api" } as const;
    const { line } = encodeAuditEntry({ is: "begin", call: "POST /wipe", by }, { n: 1, hash: before }, 1_700_000_000, sha256);
    const forged = [first, Buffer.from(line).toString("latin1").trimEnd(), ...rest].join("\n").padEnd(AUDIT_FILE_SIZE, "\n");
    assert.match(second!, /Zo/);
    disk["audit-1"] = Buffer.from(forged, "latin1");
    assert.deepEqual(report(disk).problems, ["entry 3 does not follow entry 2"]);
  });

  test("has nothing left of an entry that was cut off, however long it was", async () => {
    const disk: Disk = {};
    await someEntries(logOn(disk));
    await logOn(disk, 2900).append(LONG);
    await logOn(disk).append(BEGIN);
    assert.deepEqual(report(disk).problems, []);
    assert.ok(report(disk).entries.some((entry) => entry.is === "mended" && entry.bytes >= 2900));
  });

  test("of a machine whose owner knows an earlier entry cannot be made anew", async () => {
    const [disk, forged]: Disk[] = [{}, {}];
    await someEntries(logOn(disk!));
    const known = report(disk!).head;
    await someEntries(logOn(disk!));
    assert.deepEqual(report(disk!, known).problems, []);
    await logOn(forged!).append({ is: "operation", operation: "ab", kind: "rollback", outcome: "failed" });
    for (let count = 0; count < 2; count++) await someEntries(logOn(forged!));
    assert.deepEqual(report(forged!).problems, []);
    assert.deepEqual(report(forged!, known).problems, [`entry ${known.n} is another than is known`]);
  });

  test("begins another file when one is full, keeps the one before, and is never longer than both", async () => {
    const disk: Disk = {};
    const log = logOn(disk);
    for (let count = 0; count < 2.5 * FILL; count++) await log.append(LONG);
    const { entries, problems } = report(disk);
    assert.deepEqual(problems, []);
    assert.ok(entries.length > FILL && entries.length < 2 * FILL && entries[0]!.n > 1);
    assert.deepEqual(
      Object.values(disk).map(({ length }) => length),
      [512, AUDIT_FILE_SIZE, AUDIT_FILE_SIZE],
    );
    const older = entries[0]!.n > entries.find(({ is }) => is === "close")!.n ? "audit-1" : "audit-2";
    const other = report({ ...disk, [older === "audit-1" ? "audit-2" : "audit-1"]: new Uint8Array(AUDIT_FILE_SIZE).fill(10) });
    assert.notDeepEqual(other.problems, [], "a file that is gone is missed");
  });

  test("is what it was after a power cut at any byte, once the next entry is written; what was acknowledged is there", async () => {
    const whole: Disk = {};
    await someEntries(logOn(whole));
    const first = report(whole).entries.length;
    for (let powerAt = 0; powerAt < 2200; powerAt += 23) {
      const disk: Disk = Object.fromEntries(Object.entries(whole).map(([name, bytes]) => [name, bytes.slice()]));
      const said: string[] = [];
      const log = logOn(disk, powerAt, said);
      const stored: number[] = [await log.append(BEGIN), await log.append(BEGIN)].filter((n) => n !== undefined);
      await logOn(disk).append(BEGIN);
      const { entries, problems } = report(disk);
      assert.deepEqual(problems, [], `power at ${powerAt}`);
      assert.ok(entries.length > first && stored.every((n) => entries.some((entry) => entry.n === n)));
      assert.equal(said.length, stored.length === 2 ? 0 : 1);
    }
  });

  test("is begun, and turned, over a power cut at any write", async () => {
    for (const powerAt of [0, 511, 512, 513, 512 + AUDIT_FILE_SIZE, 600 + 2 * AUDIT_FILE_SIZE, 512 + 3 * AUDIT_FILE_SIZE + 100]) {
      const disk: Disk = {};
      await logOn(disk, powerAt).append(BEGIN);
      await logOn(disk).append(BEGIN);
      assert.deepEqual(report(disk).problems, [], `beginning, power at ${powerAt}`);
    }
    const full: Disk = {};
    const log = logOn(full);
    while (usedOf(full["audit-1"] ?? new Uint8Array()) < AUDIT_FILE_SIZE - 2 * AUDIT_LINE_SIZE) await log.append(LONG);
    for (const powerAt of [0, 100, 300, 700, 900, 40_000, AUDIT_FILE_SIZE, AUDIT_FILE_SIZE + 900, AUDIT_FILE_SIZE + 1200]) {
      const disk: Disk = Object.fromEntries(Object.entries(full).map(([name, bytes]) => [name, bytes.slice()]));
      await logOn(disk, powerAt).append(LONG);
      await logOn(disk).append(BEGIN);
      await logOn(disk).append(BEGIN);
      assert.deepEqual(report(disk).problems, [], `turning, power at ${powerAt}`);
      assert.ok(usedOf(disk["audit-2"]!) > 0);
    }
  });

  test("is handed out in pieces that come to the same bytes", async () => {
    const disk: Disk = {};
    const log = logOn(disk);
    for (let count = 0; count < 40; count++) await log.append(LONG);
    const made: Disk = {};
    for await (const { file, size, offset, data } of auditPieces(log)) {
      made[file] ??= new Uint8Array(size).fill(0x0a);
      made[file].set(Buffer.from(data, "base64"), offset);
      assert.ok(data.length <= 64 * 1024);
    }
    assert.deepEqual(made, disk);
  });

  test("that cannot be written is said once, and keeps nobody from anything", async () => {
    const disk: Disk = {};
    const said: string[] = [];
    const log = logOn(disk, 0, said);
    assert.deepEqual([await log.append(BEGIN), await log.append(BEGIN)], [undefined, undefined]);
    assert.deepEqual(said, ["the audit log of this machine cannot be written: the power is gone"]);
    assert.equal(log.failure(), said[0]);
  });
});
