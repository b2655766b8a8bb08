import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { encodeCheckedLines } from "../layout/checked-lines.ts";
import { beginTrial, foundSlots, keepGeneration, planLaying, SLOTS_NAMES } from "../layout/generations.ts";
import { encodeNumbered } from "../layout/numbered-text.ts";
import { openGenerationStore, type GenerationDisk } from "./generation-store.ts";

const temporary = async () => await mkdtempDisposable(join(tmpdir(), "petrify-generations-"));
const files = (text: string) => ({ compiled: `compiled ${text}`, document: new TextEncoder().encode(text) });
const use = async (folder: string, text: string): Promise<number> => {
  const store = await openGenerationStore(folder);
  const number = await store.add(files(text));
  await store.point((slots) => keepGeneration(slots, "a", number));
  return number;
};

test("a machine without a config has none, and opening makes nothing", async () => {
  await using folder = await temporary();
  const store = await openGenerationStore(join(folder.path, "config"));
  assert.deepEqual([store.slots(), await store.list(), store.problems, store.readOnly], [{ slots: {} }, [], [], false]);
  assert.deepEqual(await readdir(folder.path), []);
});

test("a generation is found again, with all its files, for root only", async () => {
  await using folder = await temporary();
  const path = join(folder.path, "config");
  assert.equal(await use(path, "one"), 1);
  assert.equal(await use(path, "two"), 2);
  const store = await openGenerationStore(path);
  assert.deepEqual(store.slots(), { slots: { a: { generation: 2, before: 1 } } });
  assert.deepEqual(await store.list(), [1, 2]);
  assert.equal(Buffer.from((await store.read(2, "compiled"))!).toString(), "compiled two");
  assert.equal(await store.read(2, "other"), undefined);
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  assert.equal((await stat(join(path, "2"))).mode & 0o777, 0o700);
  for (const name of ["1/compiled", "2/document", "slots-1", "slots-2"])
    assert.equal((await stat(join(path, name))).mode & 0o777, 0o600, name);
});

/** A disk of which the power goes after a number of steps; of a file, in the middle of it. */
function cutAfter(steps: number): { disk: GenerationDisk; isCut: () => boolean } {
  let left = steps;
  const step = async (act: () => Promise<unknown>, half?: () => Promise<unknown>): Promise<void> => {
    if (left < 0) throw new Error("there is no power");
    if (left-- > 0) return void (await act());
    await half?.();
    throw new Error("there is no power");
  };
  return {
    isCut: () => left < 0,
    disk: {
      makeFolder: async (path) => await step(async () => await mkdir(path, { recursive: true })),
      writeFile: async (path, data) =>
        await step(
          async () => await writeFile(path, data),
          async () => await writeFile(path, data.slice(0, 4)),
        ),
      syncFolder: async () => await step(async () => {}),
      rename: async (from, to) => await step(async () => await rename(from, to)),
      removeFolder: async (path) =>
        await step(
          async () => await rm(path, { recursive: true, force: true }),
          async () => await rm(join(path, "compiled"), { force: true }),
        ),
    },
  };
}
/** What the initrd would lay, as it reads it: the first candidate that is there. */
async function laid(folder: string): Promise<string | undefined> {
  const copies = await Promise.all(SLOTS_NAMES.map(async (name) => await readFile(join(folder, name)).catch(() => undefined)));
  for (const { generation } of planLaying(foundSlots(copies), "a", { folders: [], tried: undefined }).candidates) {
    const text = await readFile(join(folder, String(generation), "compiled"), "utf8").catch(() => undefined);
    if (text !== undefined) return text;
  }
  return undefined;
}

test("cut off after any step, a boot lays the config before or the new one, whole, and the next try works", async () => {
  let steps = 0;
  for (; ; steps++) {
    await using folder = await temporary();
    for (let n = 1; n <= 12; n++) await use(folder.path, String(n));
    const { disk, isCut } = cutAfter(steps);
    const cut = await openGenerationStore(folder.path, disk);
    const done = await (async () => {
      const number = await cut.add(files("new"));
      await cut.point((slots) => keepGeneration(slots, "a", number));
      await cut.prune();
    })().then(
      () => true,
      () => false,
    );
    const text = await laid(folder.path);
    assert.ok(text === "compiled 12" || text === "compiled new", `after ${steps} steps: ${text}`);
    if (done) assert.equal(text, "compiled new");
    for (const number of await cut.list())
      assert.match(await readFile(join(folder.path, String(number), "compiled"), "utf8"), /^compiled \w+$/);
    const number = await use(folder.path, "again");
    assert.equal(await laid(folder.path), "compiled again");
    assert.ok(number >= 13, "no number is used twice");
    if (!isCut()) break;
  }
  assert.ok(steps > 8, `${steps} steps`);
});

test("a slot never refers to a generation before that is on the disk under its name", async () => {
  await using folder = await temporary();
  const order: string[] = [];
  const note = (what: string) => async (path: string) => void order.push(`${what} ${path.slice(folder.path.length)}`);
  const store = await openGenerationStore(folder.path, {
    ...{ makeFolder: note("make"), syncFolder: note("sync"), removeFolder: note("remove") },
    writeFile: async (path) => await note("write")(path),
    rename: async (_, to) => await note("name")(to),
  });
  await store.add(files("x"));
  assert.deepEqual(order, [
    ...["make ", "remove /1.new", "make /1.new", "write /1.new/compiled", "write /1.new/document"],
    ...["sync /1.new", "name /1", "sync "],
    ...["remove /reserve", "write /reserve"],
  ]);
});

test("what a slot or a trial refers to is kept, and the last ten", async () => {
  await using folder = await temporary();
  const store = await openGenerationStore(folder.path);
  for (let n = 1; n <= 16; n++) await store.add(files(String(n)));
  await store.point((slots) => beginTrial(keepGeneration(slots, "b", 2), "b", { id: "0123abcd", generation: 3, how: "live" }));
  assert.deepEqual(await store.prune(), [1, 4, 5, 6]);
  assert.deepEqual(await store.list(), [2, 3, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
  assert.equal(await store.add(files("x")), 17);
});

test("on a full partition the room that is kept for it takes one generation more, as an upgrade needs it", async () => {
  await using folder = await temporary();
  const path = (name: string): string => join(folder.path, name);
  await use(folder.path, "one");
  assert.ok((await stat(path("reserve"))).size >= 4 * 4096);
  const full: GenerationDisk = {
    makeFolder: async (name) => void (await mkdir(name, { recursive: true })),
    writeFile: async (name, data) => {
      const isGiven = (await stat(path("reserve")).catch(() => undefined)) === undefined;
      const room = isGiven && !(await readdir(folder.path)).includes("2") ? 4096 : 0;
      if (data.length > room) throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
      await writeFile(name, data);
    },
    syncFolder: async () => {},
    rename,
    removeFolder: async (name) => await rm(name, { recursive: true, force: true }),
  };
  const store = await openGenerationStore(folder.path, full);
  assert.equal(await store.add(files("two")), 2);
  await store.point((slots) => keepGeneration(slots, "b", 2));
  await assert.rejects(store.add(files("three")), { code: "ENOSPC" });
  assert.deepEqual(await store.list(), [1, 2]);
  assert.equal(await (await openGenerationStore(folder.path)).add(files("four")), 3);
  assert.ok((await stat(path("reserve"))).size > 0, "it is kept again once there is room");
});

test("where there is no room, what nothing refers to goes first, then the room that is kept; else it is said, and nothing has changed", async () => {
  await using folder = await temporary();
  await use(folder.path, "one");
  await (await openGenerationStore(folder.path)).add(files("unused"));
  await rm(join(folder.path, "reserve"));
  let room = 0;
  const full: GenerationDisk = {
    makeFolder: async (path) => void (await mkdir(path, { recursive: true })),
    writeFile: async (path, data) => {
      if (room === 0) throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
      await writeFile(path, data);
    },
    syncFolder: async () => {},
    rename: async (from, to) => await rename(from, to),
    removeFolder: async (path) => {
      if (path.endsWith("/2.new")) room = 1;
      await rm(path, { recursive: true, force: true });
    },
  };
  const store = await openGenerationStore(folder.path, full);
  assert.equal(await store.add(files("x")), 3);
  assert.deepEqual(await store.list(), [1, 3]);

  await store.point((slots) => keepGeneration(slots, "a", 3));
  await rm(join(folder.path, "reserve"));
  room = 0;
  await assert.rejects(store.add(files("y")), { code: "ENOSPC" });
  assert.deepEqual((await readdir(folder.path)).toSorted(), ["1", "3", "slots-1", "slots-2"]);
});

test("numbers of users are remembered whatever becomes of the configs, and no two names have one", async () => {
  await using folder = await temporary();
  const store = await openGenerationStore(join(folder.path, "config"));
  await store.remember({ user: new Map([["ada", 1000]]), group: new Map([["ada", 1000]]) });
  await store.remember({ user: new Map([["bob", 1001]]), group: new Map() });
  await store.remember({ user: new Map([["carol", 1000]]), group: new Map() });
  const again = await openGenerationStore(join(folder.path, "config"));
  assert.deepEqual(again.remembered(), {
    user: new Map([
      ["carol", 1000],
      ["bob", 1001],
    ]),
    group: new Map([["ada", 1000]]),
  });
  const path = join(folder.path, "config/ids");
  const before = (await stat(path)).ino;
  await again.remember({ user: new Map([["bob", 1001]]), group: new Map() });
  assert.equal((await stat(path)).ino, before, "what is known is not written again");
});

test("newer software's configs are read from, and never written", async () => {
  for (const [name, bytes] of [
    ["slots-1", encodeNumbered({ name: "petrify-generations", format: 2, size: 8192 }, 9, "x")!],
    ["ids", encodeCheckedLines("petrify-ids", 2, ["x"])],
  ] as const) {
    await using folder = await temporary();
    await mkdir(dirname(join(folder.path, name)), { recursive: true });
    await writeFile(join(folder.path, name), bytes);
    const store = await openGenerationStore(folder.path);
    assert.equal(store.readOnly, true);
    assert.match(store.problems.join(), /newer software: they are left alone/);
    for (const change of [
      async () => await store.add(files("x")),
      async () => await store.point((slots) => slots),
      async () => await store.remember({ user: new Map([["a", 1]]), group: new Map() }),
      async () => await store.prune(),
    ]) {
      await assert.rejects(change, { code: "CONFIG_NEWER" });
    }
    assert.deepEqual(await readdir(folder.path), [name]);
  }
});

test("damage is said, and what is whole is used", async () => {
  await using folder = await temporary();
  await use(folder.path, "one");
  await use(folder.path, "two");
  await writeFile(join(folder.path, "slots-2"), "x");
  await writeFile(join(folder.path, "ids"), "x");
  const store = await openGenerationStore(folder.path);
  assert.deepEqual(store.slots(), { slots: { a: { generation: 1 } } });
  assert.match(store.problems.join(), /the other copy is used/);
  assert.match(store.problems.join(), /numbers of configured users are damaged/);
  await writeFile(join(folder.path, "slots-1"), "x");
  assert.match((await openGenerationStore(folder.path)).problems.join(), /nothing is left of it/);
  assert.equal(await use(folder.path, "three"), 3);
});
