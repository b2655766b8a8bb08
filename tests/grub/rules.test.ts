import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { currentCaller } from "../../src/host/caller.ts";
import { run } from "../../src/host/run.ts";
import { decide, type BootDecision, type BootSituation, type ImageName } from "../../src/layout/boot-rules.ts";
import { IMAGE_FILES } from "../../src/layout/disk.ts";
import { encodeCopy, type Copy } from "../../src/layout/env-copies.ts";
import { encodeEnvBlock, latin1Bytes } from "../../src/layout/env-block.ts";
import { grubFunctions } from "../../src/layout/grub-script.ts";
import { crc32 } from "../../src/layout/crc32.ts";
import { firstKernelArgs, KERNEL_ARGS, newestKernelArgs, type StoredKernelArgs } from "../../src/layout/kernel-args.ts";
import type { Patch } from "../../src/layout/patch.ts";
import {
  encodeRecord,
  newestRecord,
  RECORD_BLOCK_SIZE,
  RECORD_COPIES,
  RECORD_COPY_OFFSETS,
  type BootRecord,
} from "../../src/layout/record.ts";
import { decodeTries, encodeTries } from "../../src/layout/tries.ts";
import { BOOT_TARGETS, SLOT_STATES } from "../../src/layout/slots.ts";
import { startVm, type VmHost } from "../../src/vm/vm.ts";
import { testTools } from "../support/tools.ts";
import { takeCore } from "../support/turns.ts";
import { flip, listOf, makeTestDisk, soundFiles, type BootFiles, type Store, type TestDisk } from "./test-disk.ts";

/** What GRUB finds: bytes, and images that are whole or damaged in some way. A block that cannot be read is `undefined`. */
interface Case {
  readonly blocks: readonly [Uint8Array | undefined, Uint8Array | undefined];
  /** Of the kernel arguments. */
  readonly args: readonly [Uint8Array | undefined, Uint8Array | undefined];
  readonly tries: Uint8Array;
  readonly images: Readonly<Record<ImageName, Damage | "whole">>;
  readonly saves: boolean;
}
const situation = ({ blocks, args, tries, images: found, saves }: Case): BootSituation => {
  const { newest } = newestRecord(blocks);
  const whole = (name: ImageName): boolean => found[name] === "whole";
  return {
    record: newest.is === "whole" ? newest.record : undefined,
    tries: decodeTries(tries),
    args: newestKernelArgs(args).stored,
    whole: { a: whole("a"), b: whole("b"), recovery1: whole("recovery1"), recovery2: whole("recovery2") },
    saves,
  };
};

// --- damaged images --------------------------------------------------------------------------------------------------------

const change = (name: string, to: (text: string) => string | undefined): BootFiles => ({
  ...soundFiles,
  [name]: to(soundFiles[name]!),
});
const speechless = { ...soundFiles, "image.cfg": "true\n" };
const mismatch = "a boot file does not match its SHA-256";
/** Ways to damage an image, and what the console says then. */
const DAMAGES = {
  "a flipped kernel": [change("vmlinuz", (text) => flip(text, 2000)), mismatch],
  "a flipped initrd": [change("initrd", (text) => flip(text, 700)), mismatch],
  "a flipped script": [change("image.cfg", (text) => flip(text, 30)), mismatch],
  "a flipped digest": [change("SHA256SUMS", (text) => flip(text, 5)), mismatch],
  "a flipped name in the list": [change("SHA256SUMS", (text) => flip(text, 68)), mismatch],
  "a flipped line end in the list": [change("SHA256SUMS", (text) => flip(text, text.indexOf("\n"))), mismatch],
  "a cut list": [change("SHA256SUMS", (text) => text.slice(0, 100)), mismatch],
  "an empty list": [change("SHA256SUMS", () => ""), "its boot partition has no SHA256SUMS"],
  "no list": [change("SHA256SUMS", () => undefined), "its boot partition has no SHA256SUMS"],
  "no kernel": [change("vmlinuz", () => undefined), "its boot partition has no vmlinuz"],
  "no initrd": [change("initrd", () => undefined), "its boot partition has no initrd"],
  "a script that says nothing": [{ ...speechless, SHA256SUMS: listOf(speechless) }, "its image.cfg sets no command line"],
  "no image at all": ["garbage", "its boot partition has no vmlinuz"],
  "an empty file": ["", "/a.img cannot be opened"],
} as const satisfies Readonly<Record<string, readonly [BootFiles | string, string]>>;
type Damage = keyof typeof DAMAGES;

// --- the cases -------------------------------------------------------------------------------------------------------------

const digest = "0123456789abcdef".repeat(4);
const zeros = new Uint8Array(RECORD_BLOCK_SIZE);
const garbage = Uint8Array.from({ length: RECORD_BLOCK_SIZE }, (_, i) => (i * 7919 + (i >> 3)) & 0xff);
const altered = (block: Uint8Array, from: string, to: string): Uint8Array => {
  const at = Buffer.from(block).indexOf(from);
  assert.ok(at >= 0, from);
  const copy = Uint8Array.from(block);
  copy.set(latin1Bytes(to), at);
  return copy;
};
const record = (active: "a" | "b", a: BootRecord["slots"]["a"]["state"], b: typeof a, recovery: 1 | 2 = 1): BootRecord => ({
  ...{ active, recovery },
  slots: { a: a === "empty" ? { state: a } : { state: a, digest }, b: b === "empty" ? { state: b } : { state: b, digest } },
});
const [ab, ba] = [record("a", "proven", "trial"), record("b", "trial", "proven", 2)];
const first = (r: BootRecord, sequence: number): Uint8Array => encodeRecord(r, sequence, 0);
const second = (r: BootRecord, sequence: number): Uint8Array => encodeRecord(r, sequence, 1);

/** Pairs of blocks beyond sound ones, and what they show. */
const oddBlocks: readonly (readonly [string, Case["blocks"]])[] = [
  ["neither copy can be read", [undefined, undefined]],
  ["the newer copy cannot be read", [first(ab, 3), undefined]],
  ["both copies are zero", [zeros, zeros]],
  ["both copies are garbage", [garbage, garbage]],
  ["only the first copy is left", [first(ab, 3), zeros]],
  ["only the second copy is left", [garbage, second(ba, 3)]],
  ["numbers are compared as numbers", [first(ab, 9), second(ba, 10)]],
  ["the first copy is the newer one", [first(ab, 100), second(ba, 99)]],
  ["of equal numbers the first copy counts", [first(ab, 5), second(ba, 5)]],
  ["a newer copy with a flipped state is not believed", [first(ab, 5), altered(second(ba, 6), "state_a=trial", "state_a=trjal")]],
  ["a newer copy with another active slot is not believed", [first(ab, 5), altered(second(ba, 6), "active=b", "active=a")]],
  ["a torn copy is not believed", [altered(first(ab, 7), "last=7", "last=5"), second(ba, 6)]],
  ["a copy without its checksum is not believed", [first(ab, 7).fill(0, 1024), second(ba, 6)]],
  ["a copy in the place of the other is not believed", [second(ab, 7), second(ba, 6)]],
  ["an undamaged copy of a newer format hides the older one", [first(ab, 7), newer(second(ba, 8))]],
  ["an undamaged but older copy of a newer format does not", [first(ab, 9), newer(second(ba, 8))]],
];

/** The same block as format 2 would write it. */
function newer(block: Uint8Array): Uint8Array {
  const text = Buffer.from(block.subarray(0, 1024)).toString("latin1").replace("format=1", "format=2");
  const one = encodeRecord(ba, 8, 1);
  const variables = latin1Bytes(text);
  one.set(variables);
  const line = Buffer.from(one.subarray(1024, 1536)).toString("latin1");
  const sum = crc32(variables).toString(16).padStart(8, "0");
  one.set(latin1Bytes(line.replace(/[0-9a-f]{8}(?=  )/, sum)), 1024);
  return one;
}

const oddTries: readonly Uint8Array[] = [
  new Uint8Array(1024),
  garbage.subarray(0, 1024),
  encodeEnvBlock({ try_a: "3", try_b: "6" }),
  encodeEnvBlock({ try_a: "7", try_b: "6", next: "" }),
  encodeEnvBlock({ try_a: "3", try_b: "-1", next: "" }),
  encodeEnvBlock({ try_a: "3", try_b: "", next: "" }),
  encodeEnvBlock({ try_a: "3", try_b: "6", next: "c" }),
  encodeEnvBlock({ next: "b", try_b: "6", other: "x", try_a: "1", try_b_: "2" }),
];

/** What GRUB is to give a kernel: every character that a word may have. */
const words: StoredKernelArgs = {
  slots: { a: { append: ["console=ttyS1,115200n8", "memmap=4G!4G"], remove: [] }, b: { append: [], remove: ["quiet"] } },
};
const onTrial = (slot: "a" | "b", id = "00c0ffee"): StoredKernelArgs => ({
  ...words,
  trial: { id, slot, append: ["a.b_c-d=e/f:g@h%i+j"], remove: ["panic=5", "missing"] },
});
const argsBlocks = (stored: StoredKernelArgs): Case["args"] => {
  const [one, two] = firstKernelArgs(stored);
  return [one!.data, two!.data];
};
const someWords = argsBlocks(words);
const oddArgs: readonly Case["args"][] = [
  [undefined, undefined],
  [zeros, zeros],
  [garbage, someWords[1]],
  [someWords[0], garbage],
  [argsBlocks(onTrial("a"))[0], altered(someWords[1]!, "memmap=4G", "memmap=5G")],
  [argsBlocks(onTrial("a"))[0], newerArgs(1)],
  [argsBlocks(onTrial("a"))[0], argsBlocks(onTrial("b"))[1]],
  [encodeCopy(KERNEL_ARGS, forbidden(), 5, 0), zeros],
];

/** An undamaged copy of a newer format. */
function newerArgs(copy: Copy): Uint8Array {
  return encodeCopy({ ...KERNEL_ARGS, format: 2 }, { anything: "else" }, 9, copy);
}
/** What no agent writes: GRUB looks at it all the same. */
function forbidden(): Record<string, string> {
  const none = Object.fromEntries(Object.keys(KERNEL_ARGS.fields).map((name) => [name, ""]));
  return { ...none, append_a: "a=$b", append_b: "a;b" };
}

const whole = { a: "whole", b: "whole", recovery1: "whole", recovery2: "whole" } as const;
const imageNames = Object.keys(IMAGE_FILES) as ImageName[];
const anyImage = fc.constantFrom("whole" as const, "a flipped initrd" as const);
const anyImages = fc.record({ a: anyImage, b: anyImage, recovery1: anyImage, recovery2: anyImage });
const mostlyTrue = fc.integer({ min: 0, max: 3 }).map((n) => n > 0);
const count = fc.constantFrom(0, 1, 2, 3, 4, 5, 6);
const next = fc.constantFrom(...BOOT_TARGETS, undefined, undefined, undefined);
const anyTries = fc
  .record({ a: count, b: count, next, args: fc.constantFrom(0, 1, 2, 3) })
  .map(({ a, b, next: n, args }) => encodeTries({ a, b, args, ...(n ? { next: n } : {}) }));
/** One of them for each pair of blocks: a disk has room for so many record partitions only. */
const argsBeside = (blocks: Case["blocks"]): Case["args"] => {
  const all = [someWords, argsBlocks(onTrial("a")), argsBlocks(onTrial("b")), ...oddArgs];
  return all[crc32(Buffer.concat(blocks.map((block) => block ?? zeros))) % all.length]!;
};
const anyState = fc.constantFrom(...SLOT_STATES, "proven" as const, "trial" as const);
const anyRecord = fc
  .record({
    active: fc.constantFrom("a" as const, "b" as const),
    a: anyState,
    b: anyState,
    recovery: fc.constantFrom(1 as const, 2 as const),
  })
  .map(({ active, a, b, recovery }) => record(active, a, b, recovery));
const anyCase: fc.Arbitrary<Omit<Case, "args">> = fc.record({
  blocks: fc.oneof(
    { weight: 6, arbitrary: anyRecord.map((r) => [first(r, 1), second(r, 2)] as const) },
    { weight: 2, arbitrary: fc.constantFrom(...oddBlocks.map(([, blocks]) => blocks)) },
  ),
  tries: fc.oneof({ weight: 8, arbitrary: anyTries }, { weight: 1, arbitrary: fc.constantFrom(...oddTries) }),
  images: fc.oneof(fc.constant(whole), anyImages, anyImages),
  saves: mostlyTrue,
});

const full = process.env["PETRIFY_TEST"] === "full";
const proven = record("a", "proven", "proven");
const damages = Object.keys(DAMAGES) as Damage[];
const cases: readonly Case[] = [
  ...oddBlocks.map(([, blocks]): Case => {
    return { blocks, args: argsBeside(blocks), tries: encodeTries({ a: 6, b: 3 }), images: whole, saves: true };
  }),
  ...[...oddArgs, argsBlocks(onTrial("a")), argsBlocks(onTrial("b"))].flatMap((args) =>
    ([0, 1, 3] as const).map((left): Case => {
      const tries = encodeTries({ a: 6, b: 6, args: left });
      return { blocks: [first(proven, 1), second(proven, 2)], args, tries, images: whole, saves: true };
    }),
  ),
  ...oddTries.flatMap((tries) =>
    [ab, ba].map((r): Case => ({
      blocks: [first(r, 1), zeros],
      args: argsBeside([first(r, 1), zeros]),
      tries,
      images: whole,
      saves: true,
    })),
  ),
  ...damages.map((a): Case => {
    return {
      blocks: [first(proven, 1), second(proven, 2)],
      args: argsBlocks(onTrial("b")),
      tries: encodeTries({ a: 6, b: 6, args: 2 }),
      images: { ...whole, a },
      saves: true,
    };
  }),
  ...(["whole", "a flipped initrd"] as const).map((recovery1): Case => {
    const a = "a flipped initrd";
    const tries = encodeTries({ a: 6, b: 0, args: 3 });
    return {
      blocks: [zeros, zeros],
      args: argsBlocks(onTrial("a")),
      tries,
      images: { ...whole, a, b: a, recovery1 },
      saves: true,
    };
  }),
  ...fc
    .sample(anyCase, { seed: 20_261_121, numRuns: full ? 400 : 80 })
    .map((one): Case => ({ ...one, args: argsBeside(one.blocks) })),
];

// --- GRUB ------------------------------------------------------------------------------------------------------------------

const key = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => (v instanceof Uint8Array ? Buffer.from(v).toString("hex") : v));
/** Each different value once, and the place of each value among them. */
function numbered<T>(values: readonly T[]): { readonly all: readonly T[]; readonly indexOf: (value: T) => number } {
  const all = [...new Map(values.map((value) => [key(value), value])).values()];
  const places = new Map(all.map((value, i) => [key(value), i]));
  return { all, indexOf: (value) => places.get(key(value))! };
}
const recordOf = ({ blocks, args }: Case): Pick<Case, "blocks" | "args"> => ({ blocks, args });
const slotsOf = ({ images: { a, b } }: Case): Partial<Case["images"]> => ({ a, b });
const recoveryOf = ({ images: { recovery1, recovery2 } }: Case): Partial<Case["images"]> => ({ recovery1, recovery2 });

const records = numbered(cases.map(recordOf));
const stores = numbered(cases.flatMap((one) => [slotsOf(one), recoveryOf(one)]));

/** One boot of GRUB goes through all the cases: where it would start a kernel, it says so and takes the next case. */
const script = (disk: TestDisk): string =>
  [
    "serial --unit=0 --speed=115200",
    "terminal_output serial",
    "loopback readonly (hd0,gpt2)0+131072", // GRUB cannot write to one
    grubFunctions(),
    "function start {",
    '  echo "START $file $target $part_uuid"',
    '  echo "WITH" $petrify_cmdline',
    '  echo "ARGS" $args',
    '  echo "TRIAL $args_trial"',
    '  echo "GONE" $args_gone',
    "  return 0",
    "}",
    ...cases.flatMap((one, i) => [
      `echo "CASE ${i}"`,
      `set record_part=${disk.records[records.indexOf(recordOf(one))]}`,
      `set state_part=${disk.stores[stores.indexOf(slotsOf(one))]}`,
      `set recovery_part=${disk.stores[stores.indexOf(recoveryOf(one))]}`,
      `set tries_file="(${one.saves ? "hd0,gpt2" : "readonly"})/petrify/${i}.env"`,
      "choose",
      'if load_tries; then echo "TRIES $try_a $try_b $try_args $next"; fi',
    ]),
    'echo "ALL DONE"',
    "reboot",
    "",
  ].join("\n");

const input = {
  records: records.all.map(({ blocks, args }): Patch[] =>
    RECORD_COPIES.flatMap((copy) => [
      ...(blocks[copy] ? [{ offset: RECORD_COPY_OFFSETS[copy], data: blocks[copy] }] : []),
      ...(args[copy] ? [{ offset: KERNEL_ARGS.offsets[copy], data: args[copy] }] : []),
    ]),
  ),
  stores: stores.all.map((found): Store => {
    return Object.fromEntries(Object.entries(found).map(([name, is]) => [name, is === "whole" ? soundFiles : DAMAGES[is][0]]));
  }),
  files: cases.map(({ tries }, i) => ({ path: `/petrify/${i}.env`, data: tries })),
  script,
};

/** What GRUB said about each case. */
async function throughGrub(host: VmHost, path: string, disk: TestDisk, firmware: "bios" | "uefi"): Promise<readonly string[]> {
  const unreadable = records.all.flatMap(({ blocks, args }, i) =>
    RECORD_COPIES.flatMap((copy) => [
      ...(blocks[copy] ? [] : [RECORD_COPY_OFFSETS[copy]]),
      ...(args[copy] ? [] : [KERNEL_ARGS.offsets[copy]]),
    ]).map((offset) => disk.recordOffsets[i]! + offset),
  );
  await using _ = await takeCore();
  await using vm = await startVm(host, { disks: [{ path, format: "raw", unreadable }], firmware, endOnReboot: true });
  await vm.waitForConsole("ALL DONE", { timeoutMs: 600_000 });
  return vm
    .consoleText()
    .split(/^CASE \d+$/m)
    .slice(1);
}

function readDecision(text: string): BootDecision {
  const tried = text.matchAll(/^petrify: (?:slot (?<slot>[ab])|recovery (?<file>[12])) \(rule (?<rule>\d)/gm);
  const attempts = [...tried].map(({ groups }): BootDecision["attempts"][number] => {
    const { slot, file, rule } = groups!;
    const target = (slot ?? "recovery") as "a" | "b" | "recovery";
    return { rule: Number(rule) as 0, target, image: (slot ?? `recovery${file}`) as ImageName };
  });
  const started = /^START (\S+) (\S+) 00000000-0000-4000-8000-0{9}[0-9]{3}$/m.exec(text);
  if (started) assert.equal(started[2], attempts.at(-1)?.target);
  const list = (word: string): string[] => new RegExp(`^${word} ?(.*)$`, "m").exec(text)?.[1]?.split(" ").filter(Boolean) ?? [];
  const [append, remove, [trial]] = [list("ARGS"), list("GONE"), list("TRIAL")];
  if (started)
    assert.deepEqual(
      list("WITH"),
      ["quiet", "panic=5"].filter((word) => !remove.includes(word)),
    );
  const boots = imageNames.find((image) => IMAGE_FILES[image] === started?.[1]);
  const stored = /^TRIES (\d) (\d) (\d) ?(\w*)$/m.exec(text);
  const tries = stored && {
    ...{ a: Number(stored[1]), b: Number(stored[2]) },
    ...(stored[4] ? { next: stored[4] as "a" } : {}),
    ...(stored[3] === "0" ? {} : { args: Number(stored[3]) }),
  };
  return { attempts, boots, args: { append, remove, ...(trial === undefined ? {} : { trial }) }, tries: tries ?? undefined };
}

test("GRUB decides as decide() does", async (t) => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-grub-"));
  const path = join(folder.path, "disk.raw");
  const disk = await makeTestDisk(tools, input, path, folder.path);
  const host: VmHost = { tools, caller: currentCaller(), run, folder: join(folder.path, "vm") };

  await t.test("the cases reach every rule with every image", () => {
    const reached = new Set(cases.flatMap((one) => decide(situation(one)).attempts.map(({ rule, image }) => `${rule} ${image}`)));
    const expected = [0, 1].flatMap((rule) => imageNames.map((name) => `${rule} ${name}`));
    const slots = [2, 3, 5].flatMap((rule) => ["a", "b"].map((name) => `${rule} ${name}`));
    assert.deepEqual([...reached].sort(), [...expected, ...slots, "4 recovery1", "4 recovery2"].sort());
  });
  for (const firmware of ["bios", "uefi"] as const) {
    await t.test(`${cases.length} cases under ${firmware}`, async () => {
      const texts = await throughGrub(host, path, disk, firmware);
      assert.equal(texts.length, cases.length);
      for (const [i, one] of cases.entries()) {
        const text = texts[i]!;
        assert.deepEqual(readDecision(text), decide(situation(one)), `case ${i}:\n${text}`);
        const { a } = one.images;
        if (a === "whole" || !text.includes("petrify: slot a (")) continue;
        assert.ok(text.includes(`petrify: slot a does not boot: ${DAMAGES[a][1]}\n`), text);
      }
    });
  }
});
