import assert from "node:assert/strict";
import { test } from "node:test";
import type { AddedPartitions } from "../../config/machine/stages.ts";
import { GPT_FOUND } from "../../layout/wipefs.ts";
import { addPartitions, setUpDisk, setUpFileSystem } from "./disks.ts";
import { fakeStageMachine, type FakeStageMachine } from "./fake-stage-ports.ts";

const DISK = { name: "/dev/vdb", type: "disk", size: 1024 ** 3 };
const part = (number: number, about: object = {}): object => ({ name: `/dev/vdb${number}`, type: "part", size: 1, ...about });
const SFDISK = {
  new: "sfdisk --quiet --wipe always --wipe-partitions always /dev/vdb",
  append: "sfdisk --quiet --wipe never --append --no-reread --wipe-partitions always /dev/vdb",
} as const;
const FORMAT = "/usr/lib/petrify/runtime/bin/mke2fs -q -F -t ext4";

interface Case {
  readonly children?: readonly object[];
  readonly about?: object;
  readonly signatures?: readonly string[];
}
/** A machine whose disk gets a further partition with each run of sfdisk. */
function machineWith({ children = [], about = {}, signatures = [] }: Case): FakeStageMachine {
  const parts = [...children];
  const grow = (): void => {
    parts.push(part(parts.length + 1));
    machine.state.devices = [{ ...DISK, children: [...parts] }];
  };
  const machine: FakeStageMachine = fakeStageMachine({
    devices: [{ ...DISK, ...about, children: parts }],
    signatures: { "/dev/vdb": signatures },
    programs: { [SFDISK.new]: grow, [SFDISK.append]: grow },
  });
  return machine;
}

const TWO: AddedPartitions = {
  device: { path: "/dev/vdb" },
  add_partitions: [
    { fsLabel: "first", size: 100, filesystem: "ext4" },
    { fsLabel: "rest", pLabel: "the rest", size: 0, filesystem: "ext4" },
  ],
};
const FIRST = part(1, { fstype: "ext4", label: "first" });
const REST = part(2, { fstype: "ext4", label: "rest" });
const APPEND_REST = [
  `${SFDISK.append} < type=linux, name="the rest"`,
  "partx --update /dev/vdb",
  `${FORMAT} -L rest /dev/vdb2`,
  "changed /dev/vdb2",
] as const;

const LAYOUTS: readonly (readonly [what: string, machine: Case, did: readonly string[], why?: RegExp])[] = [
  [
    "an empty disk gets a table, and one partition after the other",
    {},
    [
      `${SFDISK.new} < label: gpt; size=100MiB, type=linux, name="first"`,
      `${FORMAT} -L first /dev/vdb1`,
      "changed /dev/vdb1",
      ...APPEND_REST,
    ],
  ],
  ["those that are missing follow those that are there", { children: [FIRST], signatures: [GPT_FOUND] }, APPEND_REST],
  ["those that are there stay as they are", { children: [FIRST, REST], signatures: [GPT_FOUND] }, []],
  [
    "one that was cut off before it had a file system gets it",
    { children: [FIRST, part(2, { partlabel: "the rest" })], signatures: [GPT_FOUND] },
    [`${FORMAT} -L rest /dev/vdb2`, "changed /dev/vdb2"],
  ],
  [
    "a disk that is a file system as a whole gets no table",
    { about: { fstype: "ext4" } },
    [],
    /^\/dev\/vdb holds ext4, and gets no partitions$/,
  ],
  [
    "nor one whose content lsblk makes nothing of",
    { signatures: ["linux_raid_member", "ext4"] },
    [],
    /holds linux_raid_member, and gets no partitions$/,
  ],
  [
    "a table without partitions stays",
    { signatures: [GPT_FOUND] },
    [
      `${SFDISK.append} < size=100MiB, type=linux, name="first"`,
      "partx --update /dev/vdb",
      `${FORMAT} -L first /dev/vdb1`,
      "changed /dev/vdb1",
      ...APPEND_REST,
    ],
  ],
];
for (const [what, about, did, why] of LAYOUTS) {
  test(`partitions are added: ${what}`, async () => {
    const machine = machineWith(about);
    const found = await addPartitions(TWO, machine);
    if (why) assert.match(found ?? "", why);
    else assert.equal(found, undefined);
    assert.deepEqual(machine.did, did);
  });
}

test("what contradicts itself is not taken for nothing, by a table or by a file system", async () => {
  const raid = { signatures: ["linux_raid_member", "ext4"] };
  const disk = { device: "/dev/vdb", table: "gpt", partitions: [100], overwrite: false } as const;
  const fileSystem = { device: "/dev/vdb", partition: "none", type: "ext4", overwrite: false } as const;
  for (const act of [
    async (machine: FakeStageMachine) => await setUpDisk(disk, "first", machine),
    async (machine: FakeStageMachine) => await setUpFileSystem(fileSystem, "first", machine),
  ]) {
    const machine = machineWith(raid);
    assert.match((await act(machine)) ?? "", /it holds something already/);
    assert.deepEqual(machine.did, []);
  }
});
