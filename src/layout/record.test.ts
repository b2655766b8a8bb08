import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MiB } from "../core/units.ts";
import { crc32 } from "./crc32.ts";
import { ENV_BLOCK_SIZE, latin1Bytes, latin1Text } from "./env-block.ts";
import {
  decodeRecord,
  encodeRecord,
  firstRecord,
  LAST_WORDS_OFFSET,
  LAST_WORDS_SIZE,
  newestRecord,
  nextRecordWrite,
  RECORD_BLOCK_SIZE,
  RECORD_COPY_OFFSETS,
  type BootRecord,
  type RecordCopy,
} from "./record.ts";
import { SLOT_STATES } from "./slots.ts";

const digest = "9f".repeat(32);
const record: BootRecord = { active: "b", slots: { a: { state: "proven", digest }, b: { state: "trial", digest } }, recovery: 2 };
const fresh: BootRecord = { active: "a", slots: { a: { state: "trial", digest }, b: { state: "empty" } }, recovery: 1 };
const whole = (of: BootRecord, sequence: number) => ({ is: "whole", sequence, record: of }) as const;

test("a block reads as GRUB and people read it", () => {
  const text = latin1Text(encodeRecord(record, 41, 1));
  assert.equal(text.length, RECORD_BLOCK_SIZE);
  assert.equal(
    text.slice(0, text.indexOf("##")),
    `# GRUB Environment Block\nformat=1\nfirst=41\nactive=b\nstate_a=proven\ndigest_a=${digest}\nstate_b=trial\ndigest_b=${digest}\nrecovery=2\nlast=41\n`,
  );
  const sum = crc32(latin1Bytes(text.slice(0, ENV_BLOCK_SIZE)))
    .toString(16)
    .padStart(8, "0");
  assert.match(text.slice(1024, 1536), new RegExp(`^ {495}${sum}  1152\\+2\n$`));
  assert.match(text.slice(1536), /^\0+$/);
});

test("every record is decoded as it was encoded, whatever its place and number", () => {
  const state = fc.constantFrom(...SLOT_STATES);
  const slot = fc.record({ state, digest: fc.constant(digest) }, { requiredKeys: ["state"], noNullPrototype: true });
  const slots = fc.record({ a: slot, b: slot }, { noNullPrototype: true });
  const any = fc.record(
    { active: fc.constantFrom("a" as const, "b" as const), slots, recovery: fc.constantFrom(1 as const, 2 as const) },
    { noNullPrototype: true },
  );
  const copies = fc.constantFrom<RecordCopy>(0, 1);
  fc.assert(
    fc.property(any, fc.integer({ min: 1, max: 999_999_999 }), copies, (one, sequence, copy) => {
      const block = encodeRecord(one, sequence, copy);
      assert.deepEqual(decodeRecord(block, copy), whole(one, sequence));
      assert.equal(decodeRecord(block, copy === 0 ? 1 : 0).is, "unreadable");
    }),
  );
});

test("one flipped bit is seen, or changes nothing", () => {
  const block = encodeRecord(record, 7, 0);
  let seen = 0;
  for (let bit = 0; bit < RECORD_BLOCK_SIZE * 8; bit++) {
    const copy = Uint8Array.from(block);
    copy[bit >> 3]! ^= 1 << (bit & 7);
    const decoded = decodeRecord(copy, 0);
    if (decoded.is === "unreadable") seen++;
    else assert.deepEqual(decoded, whole(record, 7), `bit ${bit}`);
  }
  assert.ok(seen >= ENV_BLOCK_SIZE * 8, `${seen} of the flips were seen`);
});

test("a block cut, torn at any sector, or made of garbage is unreadable and nothing worse", () => {
  const [older, newer] = [encodeRecord(fresh, 7, 0), encodeRecord(record, 9, 0)];
  for (let length = 0; length < RECORD_BLOCK_SIZE; length += 61) {
    assert.equal(decodeRecord(newer.subarray(0, length), 0).is, "unreadable");
  }
  for (const at of [512, 1024]) {
    const torn = Uint8Array.from([...newer.subarray(0, at), ...older.subarray(at)]);
    assert.equal(decodeRecord(torn, 0).is, "unreadable", `torn at ${at}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ minLength: RECORD_BLOCK_SIZE, maxLength: RECORD_BLOCK_SIZE }), (bytes) => {
      assert.equal(decodeRecord(bytes, 0).is, "unreadable");
      bytes.set(newer.subarray(0, 300));
      assert.equal(decodeRecord(bytes, 0).is, "unreadable");
    }),
  );
});

/** The block with other variables and the right checksum. */
function forged(block: Uint8Array, from: string, to: string): Uint8Array {
  const text = latin1Text(block).replace(from, to);
  const variables = latin1Bytes(text.slice(0, ENV_BLOCK_SIZE));
  const forgery = Uint8Array.from(block);
  forgery.set(variables);
  forgery.set(latin1Bytes(crc32(variables).toString(16).padStart(8, "0")), 1024 + latin1Text(block).slice(1024).search(/[^ ]/));
  return forgery;
}

const forgeries: readonly [name: string, from: string, to: string, is: string][] = [
  ["a newer format is newer", "format=1", "format=2", "newer"],
  [
    "a newer format is newer though its fields are unknown",
    "format=1\nfirst=7\nactive=b",
    "format=9\nfirst=7\nfuture=b",
    "newer",
  ],
  ["sequence numbers that differ", "last=7", "last=8", "unreadable"],
  ["no first sequence number", "first=7", "foist=7", "unreadable"],
  ["an unknown state", "state_a=proven", "state_a=prowen", "unreadable"],
  ["no active slot", "active=b", "actixe=b", "unreadable"],
  ["an unknown slot", "active=b", "active=c", "unreadable"],
  ["a recovery file that is none", "recovery=2", "recovery=3", "unreadable"],
  ["a format that is no number", "format=1", "format=x", "unreadable"],
];
for (const [name, from, to, is] of forgeries) {
  test(`decodeRecord(): ${name}`, () => assert.equal(decodeRecord(forged(encodeRecord(record, 7, 0), from, to), 0).is, is));
}

const zeros = new Uint8Array(RECORD_BLOCK_SIZE);
const ten = encodeRecord(record, 10, 1);
const found: readonly [
  name: string,
  blocks: Parameters<typeof newestRecord>[0],
  copy: RecordCopy | undefined,
  sequence?: number,
][] = [
  ["both unreadable", [zeros, undefined], undefined],
  ["only the first", [encodeRecord(fresh, 3, 0), undefined], 0, 3],
  ["only the second", [zeros, ten], 1, 10],
  ["numbers compare as numbers", [encodeRecord(fresh, 9, 0), ten], 1, 10],
  ["the first of equals", [encodeRecord(fresh, 10, 0), ten], 0, 10],
  ["a newer format with a higher number", [encodeRecord(fresh, 9, 0), forged(ten, "format=1", "format=2")], 1, 10],
  ["a newer format with a lower number", [encodeRecord(fresh, 11, 0), forged(ten, "format=1", "format=2")], 0, 11],
];
for (const [name, blocks, copy, sequence] of found) {
  test(`newestRecord(): ${name}`, () => {
    const { newest, copy: where } = newestRecord(blocks);
    assert.equal(where, copy);
    assert.equal(newest.is === "unreadable" ? undefined : newest.sequence, sequence);
  });
}

test("a write goes to the copy that does not count, so a cut at any byte leaves the old record or gives the new one", () => {
  const disk = new Uint8Array(MiB);
  for (const { offset, data } of firstRecord(fresh)) disk.set(data, offset);
  const read = () => newestRecord([blockAt(disk, 0), blockAt(disk, 1)]);
  assert.deepEqual(read(), { newest: whole(fresh, 2), copy: 1 });
  let present = fresh;
  for (const next of [record, fresh, record]) {
    const { offset, data } = nextRecordWrite(read(), next);
    for (let written = 0; written <= data.length; written += 64) {
      const cut = Uint8Array.from(disk);
      cut.set(data.subarray(0, written), offset);
      const { newest } = newestRecord([blockAt(cut, 0), blockAt(cut, 1)]);
      assert.ok(newest.is === "whole");
      assert.deepEqual(newest.record, written >= 1536 ? next : present, `after ${written} bytes`);
    }
    disk.set(data, offset);
    present = next;
  }
  assert.deepEqual(read().newest, whole(record, 5));
});

test("an unreadable record is replaced by number 1; one of a newer format is never overwritten", () => {
  const { offset, data } = nextRecordWrite(newestRecord([zeros, zeros]), record);
  assert.equal(offset, RECORD_COPY_OFFSETS[0]);
  assert.deepEqual(decodeRecord(data, 0), whole(record, 1));
  const newer = newestRecord([zeros, forged(ten, "format=1", "format=2")]);
  assert.throws(() => nextRecordWrite(newer, record), /newer/);
});

test("copies and last words share the partition without touching", () => {
  const areas = [
    ...RECORD_COPY_OFFSETS.map((at) => [at, RECORD_BLOCK_SIZE] as const),
    [LAST_WORDS_OFFSET, LAST_WORDS_SIZE] as const,
  ];
  for (const [i, [start, size]] of areas.entries()) {
    assert.equal(start % 4096, 0);
    assert.ok(start + size <= (areas[i + 1]?.[0] ?? MiB));
  }
});

const blockAt = (disk: Uint8Array, copy: RecordCopy): Uint8Array =>
  disk.slice(RECORD_COPY_OFFSETS[copy], RECORD_COPY_OFFSETS[copy] + RECORD_BLOCK_SIZE);
