import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { MiB } from "../core/units.ts";
import { TRIES_FILE } from "../layout/disk.ts";
import { firstRecord, newestRecord, RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS, type BootRecord } from "../layout/record.ts";
import { encodeRunFacts, RUN_FACTS_PATH, type RunFacts } from "../layout/run-facts.ts";
import type { SlotState } from "../layout/slots.ts";
import { decodeTries, encodeTries, type Tries } from "../layout/tries.ts";
import { bless, blessing, type Blessing } from "./bless.ts";
import { fakeSys, type FakeSys } from "./fake-sys.ts";

const digest = "ab".repeat(32);
const record = (a: SlotState, b: SlotState): BootRecord => ({
  active: "a",
  slots: { a: { state: a, digest }, b: { state: b, digest } },
  recovery: 2,
});
const whole = (of: BootRecord) => ({ is: "whole", sequence: 4, record: of }) as const;
const unreadable = { is: "unreadable", why: "the checksum does not match" } as const;

const TABLE: readonly (readonly [what: string, given: Parameters<typeof blessing>, wanted: Blessing])[] = [
  [
    "a trial that ran well is proven and gets the tries of a proven slot",
    ["a", whole(record("trial", "proven")), { a: 2, b: 6 }],
    { record: record("proven", "proven"), tries: { a: 6, b: 6 } },
  ],
  [
    "a proven slot gets back the tries that it used",
    ["b", whole(record("trial", "proven")), { a: 0, b: 5 }],
    { tries: { a: 0, b: 6 } },
  ],
  ["a proven slot with all its tries needs nothing", ["a", whole(record("proven", "empty")), { a: 6, b: 0 }], {}],
  [
    "what is to be booted next stays",
    ["a", whole(record("proven", "trial")), { a: 5, b: 3, next: "b" }],
    { tries: { a: 6, b: 3, next: "b" } },
  ],
  [
    "tries that are unreadable are made anew, by the slots' states",
    ["a", whole(record("proven", "trial")), undefined],
    { tries: { a: 6, b: 3 } },
  ],
  [
    "a record that is unreadable is made anew: the running slot is known to be good",
    ["b", unreadable, { a: 1, b: 3 }],
    { record: { active: "b", slots: { a: { state: "trial" }, b: { state: "proven" } }, recovery: 1 }, tries: { a: 1, b: 6 } },
  ],
  ["a bad slot that runs all the same is not declared good", ["a", whole(record("bad", "proven")), { a: 0, b: 6 }], {}],
  ["a record of a newer format is left alone", ["a", { is: "newer", sequence: 4, format: 2 }, { a: 1, b: 1 }], {}],
  ["recovery proves nothing", ["recovery", whole(record("trial", "trial")), { a: 0, b: 0 }], {}],
];
for (const [what, given, wanted] of TABLE) {
  test(what, () => assert.deepEqual(blessing(...given), wanted));
}

/** A machine with an efi partition made by mkfs.vfat and a record partition. */
async function machine(stored: BootRecord, tries: Tries): Promise<FakeSys> {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-bless-"));
  const volume = join(folder.path, "efi");
  await writeFile(volume, "");
  await truncate(volume, 32 * MiB);
  await writeFile(join(folder.path, "tries"), encodeTries(tries));
  const tool = async (...argv: [string, ...string[]]): Promise<unknown> =>
    await tools.run(argv, {
      binds: [{ source: folder.path, target: "/tmp/d", writable: true }],
      env: { MTOOLS_SKIP_CHECK: "1" },
    });
  await tool("mkfs.vfat", "-S", "4096", "-s", "1", "/tmp/d/efi");
  await tool("mmd", "-i", "/tmp/d/efi", "::/petrify");
  await tool("mcopy", "-i", "/tmp/d/efi", "/tmp/d/tries", `::${TRIES_FILE}`);
  const partition = (device: string) => ({ guid: device, device });
  const facts: RunFacts = {
    ...({ slot: "a", file: "/a.img", rootHash: "", disk: "/dev/vda", notes: [], reached: {} } as const),
    partitions: { efi: partition("/dev/vda2"), record: partition("/dev/vda3") },
  };
  const sys = fakeSys({ [RUN_FACTS_PATH]: encodeRunFacts(facts) });
  sys.blocks.set("/dev/vda2", { size: 32 * MiB, patches: [{ offset: 0, data: await readFile(volume) }] });
  sys.blocks.set("/dev/vda3", { size: MiB, patches: [...firstRecord(stored)] });
  return sys;
}
const stored = (sys: FakeSys): ReturnType<typeof newestRecord> => {
  const file = sys.open("/dev/vda3", "read");
  return newestRecord([
    sys.readAt(file, RECORD_COPY_OFFSETS[0], RECORD_BLOCK_SIZE),
    sys.readAt(file, RECORD_COPY_OFFSETS[1], RECORD_BLOCK_SIZE),
  ]);
};

test("the record is stored before the tries, each into one whole block, and each before the next", async () => {
  const sys = await machine(record("trial", "empty"), { a: 2, b: 0 });
  assert.equal(bless(sys), "slot a is proven and has all its tries again");
  assert.deepEqual(
    sys.done.map((line) => line.replace(/at \d+/, (at) => (Number(at.slice(3)) % 4096 === 0 ? "at a block" : at))),
    ["write /dev/vda3 at a block", "sync /dev/vda3", "write /dev/vda2 at a block", "sync /dev/vda2"],
  );
  assert.deepEqual(stored(sys), { newest: { is: "whole", sequence: 3, record: record("proven", "empty") }, copy: 0 });
  const { data } = sys.blocks.get("/dev/vda2")!.patches.at(-1)!;
  assert.equal(data.length, 4096);
  assert.deepEqual(decodeTries(data.subarray(0, 1024)), { a: 6, b: 0 });
});

test("a second blessing writes nothing", async () => {
  const sys = await machine(record("trial", "empty"), { a: 2, b: 0 });
  bless(sys);
  const before = sys.done.length;
  assert.equal(bless(sys), "slot a needs nothing");
  assert.equal(sys.done.length, before);
});

test("a copy of the record that the disk cannot read is replaced", async () => {
  const sys = await machine(record("trial", "bad"), { a: 2, b: 0 });
  sys.refuses.set(`read /dev/vda3 ${RECORD_COPY_OFFSETS[1]}`, 5);
  bless(sys);
  sys.refuses.clear();
  assert.deepEqual(sys.blocks.get("/dev/vda3")!.patches.at(-1)!.offset, RECORD_COPY_OFFSETS[1]);
  assert.deepEqual(stored(sys), { newest: { is: "whole", sequence: 2, record: record("proven", "bad") }, copy: 1 });
});

test("a machine whose disk has no boot record has nothing to bless", () => {
  const facts: RunFacts = { slot: "a", file: "/a.img", rootHash: "", disk: "/dev/vda", notes: [], reached: {}, partitions: {} };
  const sys = fakeSys({ [RUN_FACTS_PATH]: encodeRunFacts(facts) });
  assert.equal(bless(sys), "/dev/vda has no boot record");
  assert.deepEqual(sys.done, []);
});
