/** The three parts of a benchmark run. Sides take turns, so that what slows the machine down slows all of them. */
import { join } from "node:path";
import type { Builder } from "./builder.ts";
import { countBoot, settle, timeBoot, type BootTime } from "./boot.ts";
import type { BenchContext } from "./context.ts";
import { debianDisk } from "./debian-disk.ts";
import { mkosiBuilder } from "./mkosi.ts";
import { petrifyBuilder } from "./petrify.ts";
import { packageDifferences, type Comparison, type Report, type SizeComparison } from "./report.ts";
import { imageSizes, treeFacts, type ImageSizes } from "./size.ts";

const COLD = { ratio: 1 } as const;
const REBUILD = { ratio: 0.3, seconds: 15 } as const;
const BOOT = { ratio: 0.75 } as const;
/** Decimal megabytes, the stricter reading. */
const COMPRESSED = 60e6;

type Measured = Partial<Pick<Report, "comparisons" | "stages" | "sizes" | "notes">>;

/** Which image of petrify is compared with which of mkosi. */
const PAIRS = [
  ["image", "bare"],
  ["image", "bootable"],
  ["disk", "bootable"],
] as const;

async function builders(context: BenchContext) {
  return {
    image: await petrifyBuilder("image", context),
    disk: await petrifyBuilder("image,disk", context),
    bare: await mkosiBuilder("bare", context),
    bootable: await mkosiBuilder("bootable", context),
  } as const;
}

/** Cold builds and rebuilds. */
export async function measureBuilds(runs: number, context: BenchContext): Promise<Measured> {
  const { progress } = context;
  const sides = await builders(context);
  for (const [name, side] of Object.entries(sides)) {
    await progress.step(`fetch packages and fill caches: ${name}`, async () => await side.prepare());
  }
  const round = async (
    what: string,
    number: number,
    one: (side: Builder) => Promise<number>,
  ): Promise<Record<string, number>> => {
    const names = Object.entries(sides);
    const times: Record<string, number> = {};
    for (const index of names.keys()) {
      const [name, side] = names[(index + number) % names.length]!; // nobody is always the first
      times[name] = await progress.step(`${what} ${number + 1}/${runs}: ${name}`, async () => await one(side));
    }
    return times;
  };
  const again: Record<string, number>[] = [];
  for (let i = 0; i < runs; i++) again.push(await round("rebuild", i, async (side) => (await side.rebuild(`${i + 1}`)).seconds));

  const cold: Record<string, number>[] = [];
  for (let i = 0; i < runs; i++) cold.push(await round("cold build", i, async (side) => (await side.cold()).seconds));
  const compare = (what: string, rounds: readonly Record<string, number>[], goal: Comparison["goal"]): Comparison[] =>
    PAIRS.map(([ours, theirs]) => ({
      title: `${what}: ${sides[ours].title}`,
      peer: sides[theirs].title,
      ours: rounds.map((times) => times[ours]!),
      theirs: rounds.map((times) => times[theirs]!),
      ...(goal ? { goal } : {}),
    }));
  return { comparisons: [...compare("cold build", cold, COLD), ...compare("rebuild after one file changed", again, REBUILD)] };
}

/** Boots of petrify's disk and of the plain Debian disk, by turns. */
export async function measureBoots(runs: number, context: BenchContext): Promise<Measured> {
  const { progress } = context;
  const petrify = await petrifyBuilder("image,disk", context);
  await progress.step("build petrify's disk", async () => await petrify.prepare());
  const disks = { petrify: petrify.disk, "plain Debian": (await debianDisk(context)).path } as const;
  for (const [name, disk] of Object.entries(disks))
    await progress.step(`first boot: ${name}`, async () => await settle(disk, context));

  const times: Record<keyof typeof disks, BootTime[]> = { petrify: [], "plain Debian": [] };
  for (let i = 0; i < runs; i++) {
    for (const name of ["petrify", "plain Debian"] as const) {
      times[name].push(await progress.step(`boot ${i + 1}/${runs}: ${name}`, async () => await timeBoot(disks[name], context)));
    }
  }
  const counted: Record<keyof typeof disks, number[]> = { petrify: [], "plain Debian": [] };
  for (const name of ["petrify", "plain Debian"] as const) {
    counted[name].push(await progress.step(`boot by instructions: ${name}`, async () => await countBoot(disks[name], context)));
  }
  const of = (name: keyof typeof disks, stage: "kernel" | "init" | "multiUser"): number[] =>
    times[name].map((time) => time[stage]);
  const ours = of("petrify", "multiUser");
  const theirs = of("plain Debian", "multiUser");
  return {
    comparisons: [
      { title: "QEMU start to multi-user", peer: "plain Debian", ours, theirs, goal: BOOT },
      {
        title: "kernel to multi-user, by a clock of instructions",
        peer: "plain Debian",
        ours: counted.petrify,
        theirs: counted["plain Debian"],
      },
    ],
    stages: (["petrify", "plain Debian"] as const).map((side) => ({
      side,
      kernel: of(side, "kernel"),
      init: of(side, "init"),
      multiUser: of(side, "multiUser"),
    })),
    notes: (["petrify", "plain Debian"] as const).map((side) => `Root of ${side}: \`${times[side][0]?.root}\``),
  };
}

/** Sizes of what a build leaves, and whether the sides have the same packages. */
export async function measureSizes(context: BenchContext): Promise<Measured> {
  const { progress } = context;
  const { image, bare, bootable } = await builders(context);
  const measured: Record<string, ImageSizes> = {};
  const images = [
    ["petrify", "image", image],
    [bare.title, "bare", bare],
    [bootable.title, "bootable", bootable],
  ] as const;
  for (const [title, , side] of images) await progress.step(`build: ${title}`, async () => await side.prepare());
  await progress.step("unpack and compress the images", async () => {
    const sizes = await Promise.all(images.map(async ([, name, side]) => await imageSizes(side.image, name, context)));
    for (const [index, [title]] of images.entries()) measured[title] = sizes[index]!;
  });
  const plain = await treeFacts((await debianDisk(context)).tree, context);
  const ours = measured["petrify"]!.packages;
  const row = (title: string, of: "installed" | "raw" | "zstd", goal?: number): SizeComparison => ({
    title,
    sizes: {
      ...Object.fromEntries(Object.entries(measured).map(([name, sizes]) => [name, sizes[of]])),
      ...(of === "installed" ? { "plain Debian": plain.installed } : {}),
    },
    ...(goal ? { goal } : {}),
  });
  return {
    sizes: [row("installed files of the root", "installed"), row("raw image", "raw"), row("`zstd -19`", "zstd", COMPRESSED)],
    notes: [
      ...[bare, bootable].flatMap(({ title }) => packageDifferences(title, measured[title]!.packages, ours)),
      ...packageDifferences("plain Debian", plain.packages, ours),
      `Packages that matter: ${ours.filter((name) => /^(systemd|linux-image-\d\S*) /.test(name)).join("; ")}.`,
    ],
  };
}

/** Where a run's files are. */
export const benchFolder = (cacheFolder: string): string => join(cacheFolder, "bench");
