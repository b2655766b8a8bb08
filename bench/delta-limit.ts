/** What an update costs at the least when each file is made of the old one by itself: nothing for places, names, and digests. */
import { fileSize } from "../src/host/files.ts";
import { openImage, type ImageFile } from "../src/host/image-file.ts";
import { writeBytes } from "../src/host/partial-file.ts";
import type { Run } from "../src/host/run.ts";
import type { Tools } from "../src/host/tools.ts";
import type { Bytes } from "../src/core/units.ts";
import { imagePieces, pathWithoutKernel, pathWithoutNumbers, type Piece } from "../src/release/delta/image-pieces.ts";
import { programOf, type DeltaFigures, type Lab } from "./delta-lab.ts";
import type { ImagePair } from "./image-pairs.ts";

interface LimitOptions {
  /** They have bsdiff and zstd. */
  readonly peers: Tools;
  readonly run: Run;
  readonly signal: AbortSignal;
}

/** Of each file that is not the same, the smallest of bsdiff, `zstd -19 --patch-from`, and `zstd -19` alone; EROFS's metadata is a file, too. */
export async function perFileLimit({ old, new: next }: ImagePair, lab: Lab, options: LimitOptions): Promise<DeltaFigures> {
  using before = openImage(old);
  using after = openImage(next);
  const find = counterparts(imagePieces(before).pieces);
  let bytes = 0;
  for (const piece of imagePieces(after).pieces) {
    const text = bytesOf(after, piece);
    const counterpart = find(piece);
    const reference = counterpart ? bytesOf(before, counterpart) : undefined;
    if (reference?.equals(text)) continue;
    bytes += await smallest(reference, text, lab, options);
  }
  return { tool: "limit: each file by itself", bytes };
}

async function smallest(
  old: Buffer | undefined,
  text: Buffer,
  { path }: Lab,
  { peers, run, signal }: LimitOptions,
): Promise<Bytes> {
  const [before, after, packed] = [path("old"), path("new"), path("packed")];
  await writeBytes(after, text);
  const sizes: Bytes[] = [];
  const pack = async (program: string, ...args: readonly string[]): Promise<void> => {
    await run([...programOf(peers, program), ...args], { signal });
    sizes.push(await fileSize(packed));
  };
  const zstd = ["-19", "--quiet", "--force", "--no-check", "-o", packed, after] as const;
  await pack("zstd", ...zstd);
  if (old) {
    await writeBytes(before, old);
    await pack("zstd", "--long=27", `--patch-from=${before}`, ...zstd);
    await pack("bsdiff", before, after, packed);
  }
  return Math.min(...sizes);
}

function counterparts(pieces: readonly Piece[]): (piece: Piece) => Piece | undefined {
  const common = [(name: string) => name, pathWithoutKernel, (name: string) => pathWithoutNumbers(pathWithoutKernel(name))];
  const key = ({ region, name }: Piece, of: (name: string) => string): string => `${region} ${of(name)}`;
  const maps = common.map((of) => new Map(pieces.toReversed().map((piece) => [key(piece, of), piece] as const)));
  return (piece) => maps.map((map, index) => map.get(key(piece, common[index]!))).find((found) => found !== undefined);
}

const bytesOf = ({ read }: ImageFile, { ranges }: Piece): Buffer =>
  Buffer.concat(ranges.map(({ start, size }) => read(start, size)));
