/** The three parts of a benchmark run. Sides take turns, so that what slows the machine down slows all of them. */
import { join } from "node:path";
import { AGENT_UNITS, measureOneAgent, type AgentFigures } from "./agent.ts";
import type { Builder } from "./builder.ts";
import { countBoot, settle, timeBoot, type BootTime } from "./boot.ts";
import type { BenchContext } from "./context.ts";
import { debianDisk } from "./debian-disk.ts";
import { INSTALL_CONFIG, measureOneInstall, mediumSizes, type InstallFigures } from "./install.ts";
import { mkosiBuilder } from "./mkosi.ts";
import { petrifyBuilder } from "./petrify.ts";
import { packageDifferences, type Comparison, type Report, type SizeComparison } from "./report.ts";
import { spread } from "./stats.ts";
import { measureOneUpgrade, UPGRADE_UNITS, type UpgradeFigures } from "./upgrade.ts";
import { imageSizes, treeFacts, type ImageSizes } from "./size.ts";

const COLD = { ratio: 1 } as const;
const REBUILD = { ratio: 0.3, seconds: 15 } as const;
const BOOT = { ratio: 0.75 } as const;
/** Decimal megabytes, the stricter reading. */
const COMPRESSED = 60e6;
const AGENT_COMPRESSED = 32e6;

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
  const bare = await petrifyBuilder("image,disk", context, {
    folderName: "petrify-bare",
    recipe: "  mask: [petrifyd.service]\n",
  });
  const petrify = await petrifyBuilder("image,disk", context);
  for (const builder of [bare, petrify]) await progress.step("build petrify's disk", async () => await builder.prepare());
  const disks = { petrify: petrify.disk, [WITHOUT_AGENT]: bare.disk, "plain Debian": (await debianDisk(context)).path } as const;
  for (const [name, disk] of Object.entries(disks))
    await progress.step(`first boot: ${name}`, async () => await settle(disk, context));

  const times: Record<keyof typeof disks, BootTime[]> = { petrify: [], [WITHOUT_AGENT]: [], "plain Debian": [] };
  for (let i = 0; i < runs; i++) {
    for (const name of SIDES) {
      times[name].push(await progress.step(`boot ${i + 1}/${runs}: ${name}`, async () => await timeBoot(disks[name], context)));
    }
  }
  const counted: Record<string, number[]> = {};
  for (const name of SIDES) {
    counted[name] = [await progress.step(`boot by instructions: ${name}`, async () => await countBoot(disks[name], context))];
  }
  const of = (name: keyof typeof disks, stage: "kernel" | "init" | "multiUser"): number[] =>
    times[name].map((time) => time[stage]);
  const compare = (name: keyof typeof disks, goal?: Comparison["goal"]): Comparison[] => [
    {
      title: `QEMU start to multi-user: ${name}`,
      ...{
        peer: "plain Debian",
        ours: of(name, "multiUser"),
        theirs: of("plain Debian", "multiUser"),
        ...(goal ? { goal } : {}),
      },
    },
    {
      title: `kernel to multi-user, by a clock of instructions: ${name}`,
      ...{ peer: "plain Debian", ours: counted[name]!, theirs: counted["plain Debian"]! },
    },
  ];
  return {
    // Plain Debian has no agent either.
    comparisons: [...compare(WITHOUT_AGENT, BOOT), ...compare("petrify")],
    stages: SIDES.map((side) => ({
      side,
      kernel: of(side, "kernel"),
      init: of(side, "init"),
      multiUser: of(side, "multiUser"),
    })),
    notes: SIDES.map((side) => `Root of ${side}: \`${times[side][0]?.root}\``),
  };
}
const WITHOUT_AGENT = "petrify without its agent";
const SIDES = ["petrify", WITHOUT_AGENT, "plain Debian"] as const;

/** The agent of an idle machine, and what its start costs. */
export async function measureAgent(runs: number, context: BenchContext): Promise<Measured> {
  const { progress } = context;
  const petrify = await petrifyBuilder("image,disk", context, { folderName: "petrify-agent", units: AGENT_UNITS });
  await progress.step("build petrify's disk", async () => await petrify.prepare());
  const debian = (await debianDisk(context)).path;
  for (const [name, disk] of Object.entries({ petrify: petrify.disk, "plain Debian": debian }))
    await progress.step(`first boot: ${name}`, async () => await settle(disk, context));
  const agents: AgentFigures[] = [];
  const peers: number[] = [];
  for (let i = 0; i < runs; i++) {
    agents.push(await progress.step(`agent ${i + 1}/${runs}`, async () => await measureOneAgent(petrify.disk, context)));
    const { multiUser, kernel } = await progress.step(
      `boot ${i + 1}/${runs}: plain Debian`,
      async () => await timeBoot(debian, context),
    );
    peers.push(multiUser - kernel);
  }
  const of = (name: keyof AgentFigures): number[] => agents.map((figures) => figures[name]);
  return {
    comparisons: [
      {
        title: "CPU time of the agent until it answers",
        peer: "plain Debian, kernel to multi-user",
        ours: of("cpu"),
        theirs: peers,
        goal: AGENT_CPU,
      },
      {
        title: "PID 1's start until the agent answers",
        peer: "the same boot, until multi-user",
        ours: of("answers"),
        theirs: of("multiUser"),
        goal: { ratio: 1 },
      },
    ],
    sizes: [
      { title: "resident memory of the idle agent", sizes: { petrify: spread(of("resident")).median }, goal: 60e6 },
      { title: "of that, its own (private and changed)", sizes: { petrify: spread(of("private")).median }, goal: 20e6 },
    ],
  };
}
/** 3 s where plain Debian took 13.9 s. */
const AGENT_CPU = { ratio: 0.22 } as const;

/** An upgrade of a machine that has nothing else to do. */
export async function measureUpgrades(runs: number, context: BenchContext): Promise<Measured> {
  const { progress } = context;
  const old = await petrifyBuilder("image,disk", context, { folderName: "petrify-upgrade", units: UPGRADE_UNITS });
  const next = await petrifyBuilder("image", context, { folderName: "petrify-upgraded", units: UPGRADE_UNITS });
  await progress.step("build petrify's disk", async () => await old.prepare());
  await progress.step("build the new image", async () => await next.rebuild("new"));
  await progress.step("first boot", async () => await settle(old.disk, context));
  const figures: UpgradeFigures[] = [];
  for (let i = 0; i < runs; i++) {
    const what = { disk: old.disk, image: next.image };
    figures.push(await progress.step(`upgrade ${i + 1}/${runs}`, async () => await measureOneUpgrade(what, context)));
  }
  const of = (name: keyof UpgradeFigures): number[] => figures.map((one) => one[name]);
  const peer = "a plain restart of the same machine";
  return {
    comparisons: [
      { title: "`petrify upgrade` until the new image is healthy", peer, ours: of("whole"), theirs: of("restart") },
      { title: "of that, from the restart on", peer, ours: of("down"), theirs: of("restart"), goal: DOWN },
    ],
    sizes: [
      {
        title: "private memory of the agent while upgrading",
        sizes: { petrify: spread(of("memory")).max },
        goal: UPGRADE_MEMORY,
      },
      { title: "written to the disk before the restart", sizes: { petrify: spread(of("written")).median } },
      { title: "the image", sizes: { petrify: spread(of("image")).median } },
    ],
  };
}
const DOWN = { ratio: 1.2 } as const;
const UPGRADE_MEMORY = 64e6;

/** From a machine without anything to one that is installed and healthy. */
export async function measureInstalls(runs: number, context: BenchContext): Promise<Measured> {
  const { progress } = context;
  const medium = await petrifyBuilder("image,iso", context, { folderName: "petrify-medium", config: INSTALL_CONFIG });
  await progress.step("build petrify's medium", async () => await medium.prepare());
  const figures: InstallFigures[] = [];
  for (let i = 0; i < runs; i++) {
    figures.push(await progress.step(`installation ${i + 1}/${runs}`, async () => await measureOneInstall(medium.iso, context)));
  }
  const of = (name: keyof InstallFigures): number[] => figures.map((one) => one[name]);
  const peer = "power on of the installed disk to healthy";
  const { iso, image } = mediumSizes(medium.iso);
  return {
    comparisons: [
      { title: "power on of the medium to installed and healthy", peer, ours: of("whole"), theirs: of("boot") },
      { title: "of that, until the system runs in memory", peer, ours: of("inMemory"), theirs: of("boot") },
    ],
    sizes: [
      { title: "the medium (ISO)", sizes: { petrify: iso } },
      { title: "of that, the image (zstd -9)", sizes: { petrify: image } },
    ],
    notes: ["No other medium is measured: Debian's installer brings packages and puts a system together on the machine."],
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
  const ours = measured["petrify"]!;
  const row = (title: string, of: "installed" | "raw" | "zstd", goal?: number): SizeComparison => ({
    title,
    sizes: {
      ...Object.fromEntries(Object.entries(measured).map(([name, sizes]) => [name, sizes[of]])),
      ...(of === "installed" ? { "plain Debian": plain.installed } : {}),
    },
    ...(goal ? { goal } : {}),
  });
  return {
    sizes: [
      row("installed files of the root", "installed"),
      row("raw image", "raw"),
      row("`zstd -19`", "zstd"),
      // The peers have none.
      { title: "`zstd -19` without the agent", sizes: { petrify: ours.zstd - ours.agent }, goal: COMPRESSED },
      { title: "what the agent adds to `zstd -19`", sizes: { petrify: ours.agent }, goal: AGENT_COMPRESSED },
    ],
    notes: [
      ...[bare, bootable].flatMap(({ title }) => packageDifferences(title, measured[title]!.packages, ours.packages)),
      ...packageDifferences("plain Debian", plain.packages, ours.packages),
      `Packages that matter: ${ours.packages.filter((name) => /^(systemd|linux-image-\d\S*) /.test(name)).join("; ")}.`,
    ],
  };
}

/** Where a run's files are. */
export const benchFolder = (cacheFolder: string): string => join(cacheFolder, "bench");
