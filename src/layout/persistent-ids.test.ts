import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeCheckedLines } from "./checked-lines.ts";
import {
  decodeIds,
  decodeMoveJournal,
  encodeIds,
  encodeMoveJournal,
  type MoveJournal,
  type PersistentIds,
} from "./persistent-ids.ts";

const ids: PersistentIds = {
  user: new Map([
    ["postgres", 998],
    ["a b", 1000],
  ]),
  group: new Map([
    ["m\u00fc", 2_000_000_001],
    ["#5", 5],
  ]),
};
const journal: MoveJournal = {
  phase: 2,
  moves: {
    user: [
      { from: 1, to: 2 },
      { from: 2, to: 1 },
    ],
    group: [],
  },
  after: ids,
};

test("the record reads as its page says", () => {
  assert.equal(
    encodeIds({
      user: new Map([
        ["redis", 998],
        ["postgres", 997],
      ]),
      group: new Map([["postgres", 997]]),
    }),
    "petrify-ids 1\nuser 997 postgres\nuser 998 redis\ngroup 997 postgres\ncrc32 241d7050\n",
  );
});

test("owners and journals are read back", () => {
  assert.deepEqual(decodeIds(encodeIds(ids)), { is: "whole", value: ids });
  assert.deepEqual(decodeMoveJournal(encodeMoveJournal(journal)), { is: "whole", value: journal });
});

test("no flipped byte and no cut passes for a record or a journal", () => {
  for (const [text, decode] of [
    [encodeIds(ids), decodeIds],
    [encodeMoveJournal(journal), decodeMoveJournal],
  ] as const) {
    for (let at = 0; at < text.length; at++) {
      const flipped = String.fromCharCode(text.charCodeAt(at) ^ 0x04);
      assert.equal(decode(text.slice(0, at) + flipped + text.slice(at + 1)).is, "damaged", `byte ${at}`);
      assert.equal(decode(text.slice(0, at)).is, "damaged", `cut at ${at}`);
    }
  }
});

test("a newer format is told from damage, whatever it holds", () => {
  assert.deepEqual(decodeIds(encodeCheckedLines("petrify-ids", 2, ["anything"])), { is: "newer", format: 2 });
  assert.deepEqual(decodeMoveJournal(encodeCheckedLines("petrify-id-moves", 12, [])), { is: "newer", format: 12 });
});

const WRONG: readonly (readonly string[])[] = [
  ["user 1 a", "user 1 b"],
  ["user 1 a", "user 2 a"],
  ["user x a"],
  ["user 4294967295 a"],
  ["user 1 "],
  ["somebody 1 a"],
  [""],
];
for (const lines of WRONG) {
  test(`whole, but not what a record holds: ${JSON.stringify(lines)}`, () => {
    assert.equal(decodeIds(encodeCheckedLines("petrify-ids", 1, lines)).is, "damaged");
    assert.equal(decodeMoveJournal(encodeCheckedLines("petrify-id-moves", 1, ["phase 1", ...lines])).is, "damaged");
  });
}
for (const lines of [
  [],
  ["phase 3"],
  ["phase 1", "move user 1"],
  ["phase 1", "move user 1 2", "move user 1 3"],
  ["phase 1", "move user 1 3", "move user 2 3"],
]) {
  test(`whole, but not what a journal holds: ${JSON.stringify(lines)}`, () => {
    assert.equal(decodeMoveJournal(encodeCheckedLines("petrify-id-moves", 1, lines)).is, "damaged");
  });
}

const name = fc.string({ unit: fc.constantFrom("a", "#", " ", "\u00ff", "-", "7"), minLength: 1, maxLength: 6 });
const owners = fc
  .uniqueArray(fc.tuple(name, fc.nat(50)), { selector: ([text]) => text })
  .map((entries) => new Map(entries.filter(([, id], n) => entries.findIndex(([, other]) => other === id) === n)));

test("anything that can be written is read back, and nothing that is read throws", () => {
  fc.assert(
    fc.property(owners, owners, fc.string({ unit: "binary" }), fc.array(fc.string()), (user, group, text, lines) => {
      assert.deepEqual(decodeIds(encodeIds({ user, group })), { is: "whole", value: { user, group } });
      decodeIds(text);
      decodeMoveJournal(text);
      const line = lines.map((some) => some.replaceAll("\n", ""));
      for (const [file, decode] of [
        ["petrify-ids", decodeIds],
        ["petrify-id-moves", decodeMoveJournal],
      ] as const)
        decode(encodeCheckedLines(file, 1, line));
    }),
  );
});
