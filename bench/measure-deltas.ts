/** Updates from one image to another: petrify's deltas beside every tool that makes updates small. One at a time, in the same order. */
import { fileSize } from "../src/host/files.ts";
import { formatSize, type Bytes } from "../src/core/units.ts";
import type { BenchContext } from "./context.ts";
import { openLab, type Cost, type DeltaFigures, type Lab } from "./delta-lab.ts";
import { perFileLimit } from "./delta-limit.ts";
import { ostree } from "./delta-ostree.ts";
import { casync, desync, wholeImage, xdelta, zchunk, zstdPatch, type Peer } from "./delta-peers.ts";
import { changedTree, petrify, petrifySegments, type PetrifyFigures, type SegmentFigures } from "./delta-petrify.ts";
import { rauc } from "./delta-rauc.ts";
import type { DeltaGoal, PairFigures } from "./delta-report.ts";
import { archivePair, frozenPair, type ImagePair } from "./image-pairs.ts";
import type { Report } from "./report.ts";

export const DELTA_PAIRS = ["frozen", "package", "kernel"] as const;
export type DeltaPairName = (typeof DELTA_PAIRS)[number];

/** Packages of the tools whose versions the report names. */
const TOOLS = ["ostree", "desync", "casync", "zchunk", "xdelta3", "zstd", "rauc", "bsdiff"] as const;
/** What takes longest comes last. */
const IMAGE_PEERS: Readonly<Record<string, Peer>> = {
  "desync-64": desync("16:64:256"),
  "desync-16": desync("4:16:64"),
  casync,
  zchunk,
  rauc,
  xdelta,
  patch: zstdPatch,
  whole: wholeImage,
};

export async function measureDeltas(
  names: readonly DeltaPairName[],
  context: BenchContext,
): Promise<Pick<Report, "deltas" | "sizes" | "notes">> {
  const peers = await context.peerTools("deltas");
  const deltas: PairFigures[] = [];
  for (const name of names) {
    const pair = name === "frozen" ? await frozenPair(context) : await archivePair(name, context);
    deltas.push(await measurePair(name, pair, context));
  }
  const { stdout } = await peers.run(["dpkg-query", "--show", "--showformat=${Package} ${Version}; ", ...TOOLS]);
  await using lab = await openLab("node", peers, context);
  const node = await lab.measureHere([process.execPath, "--eval", ""]);
  return {
    deltas,
    sizes: deltas.flatMap(({ title, petrify: { apply }, peers: others }) =>
      [{ tool: "by a delta", apply }, ...others.filter(({ tool }) => tool.startsWith("petrify"))].flatMap((one) =>
        one.apply
          ? [
              {
                title: `${title}, ${one.tool}: memory of writing beyond that of Node`,
                sizes: { petrify: one.apply.memory - node.memory },
                goal: WORKER_MEMORY,
              },
            ]
          : [],
      ),
    ),
    notes: [
      `Tools: ${stdout.trim().replace(/;$/, "")}.`,
      `Of petrify's memory, Node that does nothing has ${formatSize(node.memory)}.`,
    ],
  };
}

/** Of the process that writes an image on a machine, beside the agent's. */
const WORKER_MEMORY: Bytes = 64e6;

async function measurePair(name: DeltaPairName, pair: ImagePair, context: BenchContext): Promise<PairFigures> {
  const { progress, run, signal } = context;
  const peers = await context.peerTools("deltas");
  const measure = async <T>(what: string, body: (lab: Lab) => Promise<T>): Promise<T> => {
    const measured = await progress.step(`${name}: ${what}`, async () => {
      await using lab = await openLab(what, peers, context);
      return await body(lab);
    });
    progress.note(JSON.stringify(measured)); // a run takes long, and may be cut
    return measured;
  };
  const delta = await measure("petrify's delta", async (lab) => await petrify(pair, lab));
  const others = [
    await measure("limit", async (lab) => await perFileLimit(pair, lab, { peers, run, signal })),
    await measure("ostree", async (lab) => await ostree(pair, lab, context)),
  ];
  for (const [what, peer] of Object.entries(IMAGE_PEERS)) others.push(await measure(what, async (lab) => await peer(pair, lab)));
  const segments = await measure("petrify's segments", async (lab) => await petrifySegments(pair, lab));
  const lists = `Of petrify's bytes, ${segments.lists} are the lists of segments.`;
  const tree = `Of the hash tree, which whoever ships whole images ships, ${changedTree(pair)} bytes are other ones.`;
  return {
    ...{ title: pair.title, image: await fileSize(pair.new), peers: [...segmentRows(segments, delta), ...others] },
    ...{ petrify: { ...delta, bytes: delta.bytes + segments.lists }, goals: goalsOf(name, others) },
    notes: [...pair.notes, lists, tree],
  };
}

const segmentRows = (
  { lists, missing, whole, make }: SegmentFigures & { readonly make: Cost },
  { withoutDelta, withoutOld }: PetrifyFigures,
): DeltaFigures[] => [
  { tool: "petrify without a delta: other segments", bytes: lists + missing, apply: withoutDelta },
  { tool: "petrify without the old image", bytes: lists + whole, make, apply: withoutOld },
];

/** Each row of a tool that has several settings is one to be compared with. */
export function goalsOf(name: DeltaPairName, figures: readonly DeltaFigures[]): DeltaGoal[] {
  const against = (tool: string, ratio: number): DeltaGoal[] =>
    figures.filter((one) => one.tool.startsWith(tool)).map((one) => ({ peer: one.tool, theirs: one.bytes, ratio }));
  return [
    ...(name === "package" ? [...against("ostree", 0.75), ...against("desync", 0.02)] : []),
    ...(name === "kernel" ? against("ostree", 0.9) : []),
    ...against("limit", 1.15),
    ...against("zstd -19, the whole", 1),
  ];
}
