import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MiB } from "../core/units.ts";
import {
  EMPTY_KERNEL_ARGS,
  firstKernelArgs,
  KERNEL_ARGS,
  KERNEL_ARGS_BLOCK_SIZE,
  KERNEL_ARGS_LIMIT,
  kernelArgProblem,
  kernelArgsProblem,
  newestKernelArgs,
  nextKernelArgsWrite,
  type StoredKernelArgs,
} from "./kernel-args.ts";

const longest = `x=${"y".repeat(197)} `.repeat(3).slice(0, KERNEL_ARGS_LIMIT).trim().split(" ");
const full: StoredKernelArgs = {
  slots: { a: { append: longest, remove: longest }, b: { append: longest, remove: longest } },
  trial: { id: "0123abcd", slot: "b", append: longest, remove: longest },
};

const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.,:=/@%+!-]{0,20}$/);
const args = fc.record(
  { append: fc.array(word, { maxLength: 4 }), remove: fc.array(word, { maxLength: 3 }) },
  { noNullPrototype: true },
);
const trial = fc
  .record(
    { id: fc.stringMatching(/^[0-9a-f]{8}$/), slot: fc.constantFrom("a" as const, "b" as const), args },
    { noNullPrototype: true },
  )
  .map(({ id, slot, args: words }) => ({ id, slot, ...words }));
const stored: fc.Arbitrary<StoredKernelArgs> = fc.record(
  { slots: fc.record({ a: args, b: args }, { noNullPrototype: true }), trial },
  { requiredKeys: ["slots"], noNullPrototype: true },
);

/** The record partition of a new disk. */
function newPartition(first: StoredKernelArgs): Uint8Array {
  const bytes = new Uint8Array(MiB);
  for (const { offset, data } of firstKernelArgs(first)) bytes.set(data, offset);
  return bytes;
}
const blocks = (partition: Uint8Array): Uint8Array[] =>
  KERNEL_ARGS.offsets.map((offset) => partition.slice(offset, offset + KERNEL_ARGS_BLOCK_SIZE));

test("what is stored is read back, whatever it is, and as much as there may be", () => {
  const isRead = (value: StoredKernelArgs): void => {
    const partition = newPartition(EMPTY_KERNEL_ARGS);
    const { offset, data } = nextKernelArgsWrite(newestKernelArgs(blocks(partition)), value);
    partition.set(data, offset);
    assert.deepEqual(newestKernelArgs(blocks(partition)).stored, value);
  };
  fc.assert(fc.property(stored, isRead));
  isRead(full);
});

test("a write that the power cuts short leaves what there was, or what is to be", () => {
  const partition = newPartition(full);
  const { offset, data } = nextKernelArgsWrite(newestKernelArgs(blocks(partition)), EMPTY_KERNEL_ARGS);
  for (let written = 0; written <= data.length; written += 64) {
    const cut = partition.slice();
    cut.set(data.subarray(0, written), offset);
    assert.deepEqual(newestKernelArgs(blocks(cut)).stored, written >= 3584 ? EMPTY_KERNEL_ARGS : full, `after ${written} bytes`);
  }
});

test("one flipped bit costs a copy, never a word", () => {
  const partition = newPartition({
    ...EMPTY_KERNEL_ARGS,
    slots: { ...EMPTY_KERNEL_ARGS.slots, a: { append: ["quiet"], remove: [] } },
  });
  const before = newestKernelArgs(blocks(partition)).stored;
  for (const start of KERNEL_ARGS.offsets) {
    for (let bit = 0; bit < 3584 * 8; bit += 7) {
      partition[start + (bit >> 3)]! ^= 1 << (bit & 7);
      assert.deepEqual(newestKernelArgs(blocks(partition)).stored, before);
      partition[start + (bit >> 3)]! ^= 1 << (bit & 7);
    }
  }
});

test("a disk that was made without them has none", () => {
  const found = newestKernelArgs([new Uint8Array(KERNEL_ARGS_BLOCK_SIZE), undefined]);
  assert.equal(found.stored, undefined);
});

for (const good of [
  ...[
    "quiet",
    "intel_iommu=on",
    "isolcpus=1-3",
    "console=ttyS1,115200n8",
    "hugepagesz=1G",
    "init_on_alloc=1",
    "mitigations=auto,nosmt",
  ],
  ...["module_blacklist=nouveau", "pci=nommconf", "systemd.log_level=debug", "crashkernel=4G-16G:192M,16G-:320M", "memmap=4G!4G"],
])
  test(`${good} can be set`, () => assert.equal(kernelArgProblem(good), undefined));

for (const [bad, why] of [
  ...["petrify.slot=b", "petrify.trial=00000000", "root=/dev/sda", "init=/bin/sh", "rdinit=/bin/sh", "rd.break", "ro"].map(
    (one) => [one, /cannot be set/],
  ),
  ...[
    "systemd.unit=rescue.target",
    "systemd.run=reboot",
    "systemd.set_credential=a:b",
    "systemd.debug-shell",
    "systemd.mask=petrifyd.service",
  ].map((one) => [one, /the init starts what the image says/]),
  ...["single", "S", "3", "emergency", "rescue"].map((one) => [one, /the init starts/]),
  ...["panic=0", "nowatchdog", "softlockup-panic=0", "nmi-watchdog=0"].map((one) => [one, /has to restart/]),
  ...["ds=nocloud", "config_url=http://x/", "cloud-config-url=http://x/"].map((one) => [one, /come from/]),
  ...["--", "-b", "", "a b", 'a="b"', "a=$b", "a=\\b", "a=*", "a=[b]", "a=?", "a;b", "a#b", "a\nb", "a=ä", "x".repeat(201)].map(
    (one) => [one, /must be one word/],
  ),
] as [string, RegExp][])
  test(`${JSON.stringify(bad)} cannot be set`, () => assert.match(kernelArgProblem(bad) ?? "", why));

test("so many words that there is no room for them are refused", () => {
  assert.equal(kernelArgsProblem({ append: longest, remove: longest }), undefined);
  assert.match(kernelArgsProblem({ append: [...longest, "more"], remove: [] }) ?? "", /450/);
});
