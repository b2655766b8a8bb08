import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  accountsOf,
  firstIds,
  FIRST_PARKED,
  FIRST_PASSING,
  isNothing,
  planIdMoves,
  stepsOf,
  type Accounts,
  type IdPlan,
} from "./id-moves.ts";
import { KINDS, type Id, type IdMoves, type Kind, type PersistentIds } from "./persistent-ids.ts";

type Names = Readonly<Record<string, Id>>;
const image = (user: Names, group: Names = {}): Accounts => ({ user: accounts(user), group: accounts(group) });
const accounts = (names: Names): { name: string; id: Id }[] => Object.entries(names).map(([name, id]) => ({ name, id }));
const users = (ids: PersistentIds): Names => Object.fromEntries(ids.user);
const NOTHING: IdMoves = { user: [], group: [] };
/** After the images of these boots, one after another. */
const boots = (...images: readonly Accounts[]): IdPlan => {
  const start: IdPlan = { moves: NOTHING, after: firstIds(images[0]!) };
  return images.slice(1).reduce((done, next) => planIdMoves(done.after, next), start);
};

test("accounts are read as the C library does: the first of a name counts, and root's files are nobody else's", () => {
  const passwd = [
    "root:x:0:0:root:/root:/bin/sh",
    "toor:x:0:0::/root:/bin/sh",
    "daemon:*:1:1:daemon:/usr/sbin:/usr/sbin/nologin",
    "daemon:*:2:2:again:/:/bin/false",
    "+nis:x:5:5::/:/bin/sh",
    "#off:x:6:6::/:/bin/sh",
    "bad:x:many:6::/:/bin/sh",
    "short:x",
    "large:x:2000000000:1::/:/bin/sh",
    "m\u00fc:x:1000:1000::/:/bin/sh",
    "",
  ].join("\n");
  const expected = [
    { name: "daemon", id: 1 },
    { name: "m\u00fc", id: 1000 },
  ];
  assert.deepEqual(accountsOf(passwd, ""), { user: expected, group: [] });
});

const P = "parked";
const CASES: readonly {
  what: string;
  images: readonly Names[];
  moves: readonly (readonly [from: Id | "parked", to: Id | "parked"])[];
}[] = [
  { what: "the same names and numbers: nothing moves", images: [{ a: 998 }, { a: 998 }], moves: [] },
  { what: "a name that is new: nothing moves", images: [{ a: 998 }, { a: 998, b: 997 }], moves: [] },
  { what: "a name that is gone keeps its number: nothing moves", images: [{ a: 998, b: 997 }, { a: 998 }], moves: [] },
  {
    what: "a number goes to a name that is new: files of the one before are parked",
    images: [{ a: 998 }, { b: 998 }],
    moves: [[998, P]],
  },
  {
    what: "a name is back: it has its files again, and the other's are parked",
    images: [{ a: 998 }, { b: 998 }, { a: 998 }],
    moves: [
      [P, 998],
      [998, P],
    ],
  },
  {
    what: "two names swap",
    images: [
      { a: 1, b: 2 },
      { a: 2, b: 1 },
    ],
    moves: [
      [1, 2],
      [2, 1],
    ],
  },
  {
    what: "a chain onto a number that nobody had: files with that one are put aside",
    images: [
      { a: 1, b: 2 },
      { a: 2, b: 3 },
    ],
    moves: [
      [1, 2],
      [2, 3],
      [3, P],
    ],
  },
  {
    what: "the chain backwards: they are put back",
    images: [
      { a: 1, b: 2 },
      { a: 2, b: 3 },
      { a: 1, b: 2 },
    ],
    moves: [
      [1, P],
      [2, 1],
      [3, 2],
      [P, 3],
    ],
  },
  { what: "a second name for a number takes nothing from the first", images: [{ a: 1 }, { z: 1, a: 1 }], moves: [] },
];
for (const { what, images, moves } of CASES) {
  test(what, () => {
    const plan = boots(...images.map((names) => image(names)));
    const shown = plan.moves.user.map(({ from, to }) => [from, to].map((id) => (id >= FIRST_PARKED ? P : id)));
    assert.deepEqual(new Set(shown.map(String)), new Set(moves.map(String)));
    assert.deepEqual(plan.moves.group, []);
  });
}

test("names whose checksums would give them the same number to be parked under get two", () => {
  const { after } = boots(image({ u1155: 1, u11359: 2 }), image({ a: 1, b: 2 }));
  const parked = users(after);
  assert.notEqual(parked["u1155"], parked["u11359"]);
  assert.equal(Math.min(parked["u1155"]!, parked["u11359"]!), FIRST_PARKED + 56_802_388);
});

test("users and groups are apart", () => {
  const { moves, after } = boots(image({ a: 1 }, { a: 1 }), image({ a: 1 }, { a: 2 }));
  assert.deepEqual(moves.user, []);
  assert.deepEqual(moves.group[0], { from: 1, to: 2 });
  assert.deepEqual(users(after), { a: 1 });
});

/** Few names and numbers, so that everything that can clash does. */
const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e"), { maxLength: 5 });
const someImage = names.chain((chosen) =>
  fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: chosen.length, maxLength: chosen.length }).map((ids) => {
    return Object.fromEntries(chosen.map((name, n) => [name, ids[n]!]));
  }),
);
const images = fc.array(
  fc.tuple(someImage, someImage).map(([user, group]) => image(user, group)),
  { minLength: 2, maxLength: 6 },
);
const NUMBERS = Array.from({ length: 10 }, (_, id) => id);

/** A file, and whose it is: a name, or a number that nobody had when the file was made. */
interface ModelFile {
  id: Record<Kind, Id>;
  owner: Record<Kind, string>;
}
const ownerOf = (ids: PersistentIds, kind: Kind, id: Id): string =>
  [...ids[kind]].find(([, other]) => other === id)?.[0] ?? `#${id}`;
const disk = (ids: PersistentIds): ModelFile[] =>
  NUMBERS.flatMap((user) =>
    NUMBERS.map((group) => ({
      id: { user, group },
      owner: { user: ownerOf(ids, "user", user), group: ownerOf(ids, "group", group) },
    })),
  );
/** Changes at most `limit` files. @returns how many of them are left to change */
function act(files: readonly ModelFile[], moves: IdMoves, phase: 1 | 2, limit = Infinity): number {
  const steps = stepsOf(moves, phase);
  let left = limit;
  for (const { id } of files) {
    if (KINDS.every((kind) => !steps[kind].has(id[kind]))) continue;
    if (left === 0) return 0;
    for (const kind of KINDS) id[kind] = steps[kind].get(id[kind]) ?? id[kind];
    left--;
  }
  return left;
}

test("whatever images follow each other, every file belongs to whom it belonged, and no two names share a number", () => {
  fc.assert(
    fc.property(images, (boot) => {
      let ids = firstIds(boot[0]!);
      const files = disk(ids);
      for (const next of boot.slice(1)) {
        const { moves, after } = planIdMoves(ids, next);
        act(files, moves, 1);
        act(files, moves, 2);
        for (const kind of KINDS) {
          assert.equal(new Set(after[kind].values()).size, after[kind].size);
          for (const { name, id } of next[kind]) assert.equal(after[kind].get(name), id);
          for (const { id, owner } of files) {
            // A name that nobody had before takes over what has its number: nothing tells whether it is its own.
            if (owner[kind].startsWith("#") && !after[kind].has(owner[kind])) owner[kind] = ownerOf(after, kind, id[kind]);
            assert.equal(id[kind], after[kind].get(owner[kind]) ?? Number(owner[kind].slice(1)), `${kind} ${owner[kind]}`);
            assert.ok(id[kind] < FIRST_PASSING);
          }
        }
        ids = after;
      }
    }),
    { numRuns: 2000 },
  );
});

test("an image and then the first one again: every number is what it was", () => {
  fc.assert(
    fc.property(someImage, someImage, (a, b) => {
      const before = firstIds(image(a, b));
      const files = disk(before);
      const there = planIdMoves(before, image(b, a));
      const back = planIdMoves(there.after, image(a, b));
      for (const { moves } of [there, back]) for (const phase of [1, 2] as const) act(files, moves, phase);
      assert.deepEqual(
        files.map(({ id }) => id),
        disk(before).map(({ id }) => id),
      );
    }),
    { numRuns: 2000 },
  );
});

test("a plan that is carried out needs nothing more", () => {
  fc.assert(
    fc.property(someImage, someImage, (a, b) => {
      const { after } = planIdMoves(firstIds(image(a)), image(b));
      assert.ok(isNothing(planIdMoves(after, image(b)).moves));
      assert.deepEqual(planIdMoves(after, image(b)).after, after);
    }),
  );
});

test("cut after any number of changes, in either phase, and begun again: the same end", () => {
  fc.assert(
    fc.property(images, fc.nat(120), fc.nat(120), fc.constantFrom(1, 2), ([first, second], cut, again, cutPhase) => {
      const before = firstIds(first!);
      const { moves } = planIdMoves(before, second!);
      const whole = disk(before);
      for (const phase of [1, 2] as const) act(whole, moves, phase);
      const files = disk(before);
      for (const phase of [1, 2] as const) {
        if (phase === cutPhase) {
          act(files, moves, phase, cut);
          act(files, moves, phase, again);
        }
        act(files, moves, phase);
      }
      assert.deepEqual(files, whole);
    }),
    { numRuns: 1000 },
  );
});
