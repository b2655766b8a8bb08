/** Machine configs. */
import { openApplies, type ApplyRun } from "./config-apply.ts";
import { openConfigBoots } from "./config-boot.ts";
import type { BenchContext } from "./context.ts";
import { petrifyBuilder } from "./petrify.ts";
import type { Comparison, Report } from "./report.ts";
import { spread } from "./stats.ts";

const PEER = "cloud-init writes them (`write_files` alone)";
/** Seconds. */
const APPLY = { seconds: 2 } as const;

/** What one adds to a boot, and how long a large one takes. */
export async function measureConfig(runs: number, context: BenchContext): Promise<Pick<Report, "comparisons" | "notes">> {
  const applied = await measureApplies(runs, context);
  const booted = await measureConfigBoots(context);
  return { comparisons: [...booted.comparisons, ...applied.comparisons], notes: [...booted.notes, ...applied.notes] };
}

/** Once each: the clock goes by the guest's instructions, and what else this machine does changes little. */
async function measureConfigBoots(context: BenchContext): Promise<Pick<Report, "comparisons" | "notes">> {
  const { progress } = context;
  const { cpu, settle } = await openConfigBoots(context);
  const row = async (what: string): Promise<Comparison> => ({
    ...{ title: `CPU time until multi-user: ${what}, with a config`, peer: "the same without" },
    theirs: [await progress.step(`${what}, without a config`, async () => await cpu("without"))],
    ours: [await progress.step(`${what}, with one`, async () => await cpu("with"))],
  });
  const first = await row("the first boot");
  for (const side of ["with", "without"] as const)
    await progress.step(`first boot, ${side} a config`, async () => await settle(side));
  return {
    comparisons: [first, await row("a later boot")],
    notes: [
      "CPU time until multi-user is that of the whole guest, by a clock of its instructions. The config has 10 users, 20 files, 5 units that start nothing, sysctl and a network, and lies on the oem partition.",
    ],
  };
}

async function measureApplies(runs: number, context: BenchContext): Promise<Pick<Report, "comparisons" | "notes">> {
  const { progress } = context;
  const petrify = await petrifyBuilder("image", context);
  await progress.step("build petrify's image", async () => await petrify.prepare());
  const apply = await openApplies(petrify.image, context);
  const all: ApplyRun[] = [];
  for (let i = 0; i < runs; i++) all.push(await progress.step(`apply ${i + 1}/${runs}`, apply));
  const of = (which: "first" | "again" | "one", figure: "seconds" | "cpu"): number[] => all.map((one) => one[which][figure]);
  const row = (title: string, which: "first" | "again" | "one", goal?: Comparison["goal"]): Comparison => ({
    ...{ title, peer: PEER, ours: of(which, "seconds"), theirs: all.map(({ peer }) => peer) },
    ...(goal ? { goal } : {}),
  });
  const cpu = (which: "first" | "again" | "one"): string => `${spread(of(which, "cpu")).median.toFixed(2)} s`;
  const what = "a config of 1,000 files is applied";
  return {
    comparisons: [row(what, "first", APPLY), row("the same config again", "again"), row("the same with one file changed", "one")],
    notes: [
      "Configs are applied by an image's own programs in its own files, on this machine, without a VM: the config worker and `petrify-early`, in a root with `/etc` as an overlay in memory. What is not there: systemd (no unit is in that config), petrifyd and the command, which pass the document on.",
      `CPU time of that, of all processes: ${cpu("first")}; of the same again ${cpu("again")}; with one file changed ${cpu("one")}.`,
    ],
  };
}
