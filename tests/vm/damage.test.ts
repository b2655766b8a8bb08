import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { RECORD_BLOCK_SIZE, RECORD_COPY_OFFSETS } from "../../src/layout/record.ts";
import { encodeTries } from "../../src/layout/tries.ts";
import type { VmDisk } from "../../src/vm/options.ts";
import { statusOf } from "./harness/agent.ts";
import { FULL, inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine, SAYS } from "./harness/machine.ts";
import { placesOf, type BootFile, type Places } from "./harness/places.ts";

const SYSTEMD = "/usr/lib/systemd/systemd";
/** The initrd says so as the last thing before the image's init. */
const RUNS = {
  a: /petrify: slot a: petrify-test/,
  b: /petrify: slot b: petrify-test/,
  recovery: /petrify: recovery: petrify-test/,
};

interface Damage {
  readonly what: string;
  readonly disk: (places: Places) => Omit<VmDisk, "path" | "format">;
  /** What the console says on the way, in this order. */
  readonly says: readonly (RegExp | string)[];
  readonly runs: keyof typeof RUNS;
  /** UEFI firmware reads what is damaged, so both are tried at every change. */
  readonly firmwareReads?: boolean;
}

const UNCHECKED = "slot a does not boot: a boot file does not match its SHA-256";
const bootFile = (what: string, name: BootFile): Damage => ({
  what: `a flipped bit in slot a's ${what}`,
  disk: (places) => ({ patches: [places.flip(places.bootFile("a", name))] }),
  says: [UNCHECKED, "slot b (rule 3"],
  runs: "b",
});

/**
 * What GRUB does not check costs a try a boot. A new slot has six; to save time one is left, unless every test is to run: then the
 * disk is as it was built.
 */
const verity = (what: string, offset: (places: Places) => number, block: string): Damage => ({
  what: `a flipped bit in slot a's ${what}`,
  disk: (places) => ({
    patches: [places.flip(offset(places)), ...(FULL ? [] : [{ offset: places.tries(), data: encodeTries({ a: 1, b: 6 }) }])],
  }),
  says: ["slot a (rule 2", new RegExp(`device-mapper: verity: [^\\n]*: ${block} is corrupted`), "slot b (rule 3"],
  runs: "b",
});

const EROFS_SUPERBLOCK = 1024;
const FIRST_TREE_BLOCK = 4096; // behind the superblock of dm-verity: the root of the tree
const garbage = Uint8Array.from({ length: RECORD_BLOCK_SIZE }, (_, index) => (index * 151 + 7) % 256);
const recordCopies = (places: Places): number[] => RECORD_COPY_OFFSETS.map((offset) => places.partition("record").start + offset);

const DAMAGES: readonly Damage[] = [
  bootFile("kernel", "vmlinuz"),
  bootFile("initrd", "initrd"),
  bootFile("command line", "image.cfg"),
  bootFile("hash list", "SHA256SUMS"),
  verity("superblock", (places) => places.part("a", "root").start + EROFS_SUPERBLOCK, "data block 0"),
  verity("hash tree", (places) => places.part("a", "root-verity").start + FIRST_TREE_BLOCK, "metadata block 1"),
  verity("systemd", (places) => places.rootFile("a", SYSTEMD) + 64, String.raw`data block \d+`),
  {
    what: "flipped bits in the kernels of a and b",
    disk: (places) => ({ patches: [places.flip(places.bootFile("a", "vmlinuz")), places.flip(places.bootFile("b", "vmlinuz"))] }),
    says: [UNCHECKED, "slot b does not boot", "recovery 1 (rule 4"],
    runs: "recovery",
  },
  {
    what: "a first copy of the boot record full of zeros",
    disk: (places) => ({ patches: [{ offset: recordCopies(places)[0]!, data: new Uint8Array(RECORD_BLOCK_SIZE) }] }),
    says: ["boot record: copy 1 is unreadable", "slot a (rule 2"],
    runs: "a",
  },
  {
    what: "both copies of the boot record full of garbage",
    disk: (places) => ({ patches: recordCopies(places).map((offset) => ({ offset, data: garbage })) }),
    says: ["copy 1 is unreadable", "copy 2 is unreadable", "slot a (rule 0"],
    runs: "a",
  },
  {
    what: "a boot record on sectors that cannot be read",
    disk: (places) => ({ unreadable: recordCopies(places) }),
    says: ["copy 1 is unreadable", "copy 2 is unreadable", "slot a (rule 0"],
    runs: "a",
  },
  {
    what: "tries on a sector that cannot be read",
    disk: (places) => ({ unreadable: [places.tries()] }),
    says: ["tries are unreadable", "slot a (rule 2"],
    runs: "a",
    firmwareReads: true,
  },
];

suite("a damaged disk", { concurrency: 2 }, () => {
  for (const firmware of ["bios", "uefi"] as const) {
    for (const [turn, { what, disk, says, runs, firmwareReads = FULL }] of DAMAGES.entries()) {
      if (firmware === "uefi" && !firmwareReads) continue;
      test(
        `${what}: ${runs} boots by itself and the console says why (${firmware.toUpperCase()})`,
        { skip: inTurn(turn) },
        async () => {
          const made = await fixture();
          const places = await placesOf(made, [SYSTEMD]);
          await using damaged = await machine(made, { firmware, disk: disk(places) });
          for (const text of says) await damaged.vm.waitForConsole(text, { timeoutMs: 300_000 });
          await damaged.vm.waitForConsole(RUNS[runs]);
          const said = damaged.vm.consoleText().match(SAYS) ?? [];
          const ran = said.filter((line) => Object.values(RUNS).some((run) => run.test(line)));
          const others = ran.filter((line) => !RUNS[runs].test(line));
          if (!what.includes("systemd")) assert.deepEqual(others, [], "nothing else was started");
        },
      );
    }
  }
});

test("a boot that ends in the initrd leaves its last words, and the slot after it shows them", { skip: !FULL }, async () => {
  const made = await fixture();
  const places = await placesOf(made, []);
  const tries = { offset: places.tries(), data: encodeTries({ a: 1, b: 6 }) };
  await using booted = await machine(made, { disk: { patches: [places.flip(places.part("a", "root-verity").start), tries] } });
  const { guest, vm } = booted;
  const says = /petrify: slot a does not start: ([^\n]*)\. Restarting in 5 s\./;
  await vm.waitForConsole(says, { timeoutMs: 300_000 });
  await vm.waitForConsole(RUNS.b, { timeoutMs: 300_000 });
  await guest.run("true", 240_000); // taken once this boot has the tests' agent
  const { failedBoots } = await statusOf(guest, ({ failedBoots: [last] }) => last?.end?.log !== undefined);
  const { slot, end } = failedBoots[0]!;
  assert.deepEqual([slot, end?.how, end?.log?.source], ["a", "unseen", "last words"]);
  assert.ok(end!.log!.text.startsWith(`${says.exec(vm.consoleText())![1]!}\n`), end!.log!.text);
  assert.match(end!.log!.text, /Linux version|device-mapper|virtio/);
});
