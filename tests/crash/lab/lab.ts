/** What an operation of the lab finds in its guest: the devices of the disk, and a way to say how far it is. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readdir, readFile } from "node:fs/promises";
import { dlopen } from "node:ffi";
import { parseRunFacts, RUN_FACTS_PATH, type RunFacts } from "../../../src/layout/run-facts.ts";
import type { DiskPartition } from "../../../src/layout/disk.ts";

export interface Lab {
  readonly facts: RunFacts;
  /** `/dev/vda3` */
  readonly device: (name: DiskPartition) => string;
  /** Of a machine with further disks: `/dev/vdd` */
  readonly disk: (name: keyof typeof DISKS) => string;
  /** Puts a text into the log, behind everything that has been acknowledged. */
  readonly mark: (text: string) => Promise<void>;
  /** What follows is counted under this name. */
  readonly step: (name: string) => Promise<void>;
  /** Safety measures that are left out, to see that it is noticed. */
  readonly without: ReadonlySet<string>;
}

/** On the lab's disk. */
export const NEW_IMAGE = "/usr/lib/petrify/new.img";
export const RUNTIME = "/usr/lib/petrify/runtime/bin";

/** Serial numbers. */
const DISKS = { marks: "petrify2", target: "petrify3", image: "petrify4" } as const;

export async function openLab(without: readonly string[]): Promise<Lab> {
  const disks = await devicesBySerial();
  const disk: Lab["disk"] = (name) => {
    const found = disks.get(DISKS[name]);
    if (found === undefined) throw new Error(`there is no disk for the ${name}`);
    return found;
  };
  const facts = parseRunFacts(await readFile(RUN_FACTS_PATH, "utf8"));
  let marking = Promise.resolve();
  /** One at a time: two in one write would be one. */
  const mark = async (text: string): Promise<void> => {
    const before = marking;
    marking = before.then(async () => await writeMark(text));
    await marking;
  };
  const writeMark = async (text: string): Promise<void> => {
    const block = Buffer.alloc(4096);
    if (block.write(text) >= block.length) throw new Error(`${text.length} characters in one mark`);
    await using file = await open(disk("marks"), "r+");
    await file.write(block, 0, block.length, 0);
    await file.sync();
  };
  return {
    facts,
    device: (name) => facts.partitions[name]!.device,
    disk,
    mark,
    step: async (name) => await mark(`step ${name}`),
    without: new Set(without),
  };
}

/** Drivers find disks at the same time, so their names tell nothing. virtio-blk says a serial number here, SCSI in a page of its own. */
async function devicesBySerial(): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const name of await readdir("/sys/block")) {
    const page = await readFile(`/sys/block/${name}/device/vpd_pg80`, "latin1").catch(() => "");
    const serial = (await readFile(`/sys/block/${name}/serial`, "utf8").catch(() => "")).trim() || page.slice(4).trim();
    if (serial) found.set(serial, `/dev/${name}`);
  }
  return found;
}

/** @param okExit exit codes that are no failure */
export async function program(argv: readonly [string, ...string[]], okExit: readonly number[] = [0]): Promise<void> {
  const [file, ...args] = argv;
  const child = spawn(file, args, { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = (await once(child, "close")) as [number | null];
  if (code === null || !okExit.includes(code)) throw new Error(`${argv.join(" ")} ended with ${code}`);
}

const libc = () =>
  dlopen("libc.so.6", {
    mount: { arguments: ["string", "string", "string", "u64", "string"], return: "i32" },
    umount2: { arguments: ["string", "i32"], return: "i32" },
  }).functions;

/** As the image's init would: checked first, then with the options of the fstab. */
export async function mountData(device: string, folder: string): Promise<void> {
  await program([`${RUNTIME}/e2fsck`, "-p", device], [0, 1]);
  if (libc().mount(device, folder, "ext4", 0n, "") !== 0) throw new Error(`${device} cannot be mounted on ${folder}`);
}

export function unmount(folder: string): void {
  if (libc().umount2(folder, 0) !== 0) throw new Error(`${folder} cannot be unmounted`);
}
