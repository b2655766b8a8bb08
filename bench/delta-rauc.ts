/**
 * RAUC's adaptive update, counted and not run: installing needs its service, a disk with slots, and nbd in the kernel.
 *
 * rauc makes both bundles. Its own lists of hashes say which blocks of 4 KiB the machine lacks, and its squashfs how many bytes those are.
 */
import { fileSize, linkFile, makeFolder, readBytes, writeText } from "../src/host/files.ts";
import { hex } from "../src/core/digest.ts";
import { sha256 } from "../src/host/sha256.ts";
import type { Bytes } from "../src/core/units.ts";
import type { Peer } from "./delta-peers.ts";
import { packedBlocks, type PackedBlocks } from "./squashfs-blocks.ts";

const HASH_BLOCK: Bytes = 4096;
const HASH: Bytes = 32;
const MANIFEST = `[update]
compatible=bench
version=1

[bundle]
format=verity

[image.rootfs]
filename=image.img
adaptive=block-hash-index
`;
/**
 * Of blocks of 4 to 128 KiB those of 8 are the least to read for one package, and within 1 % of it with a kernel. Inodes are left unpacked
 * to be read here. Of the old bundle only the hashes count, so it is not packed.
 */
const SQUASHFS = { old: "-noI -noD", new: "-b 8k -comp zstd -no-fragments -noI" } as const;

export const rauc: Peer = async ({ old, new: next }, { path, measure, run }) => {
  const subject = ["-subj", "/CN=bench", "-days", "36500"] as const;
  const keys = ["-keyout", path("key.pem"), "-out", path("cert.pem")] as const;
  await run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", ...keys, ...subject]);
  const bundle = async (name: keyof typeof SQUASHFS, image: string) => {
    const content = path(`${name}-content`);
    await makeFolder(content);
    await linkFile(image, `${content}/image.img`);
    await writeText(`${content}/manifest.raucm`, MANIFEST);
    const signer = [`--cert=${path("cert.pem")}`, `--key=${path("key.pem")}`] as const;
    const file = path(`${name}.raucb`);
    const cost = await measure(["rauc", "bundle", ...signer, `--mksquashfs-args=${SQUASHFS[name]}`, content, file]);
    await run(["unsquashfs", "-quiet", "-no-progress", "-dest", path(name), file, "image.img.block-hash-index"]);
    return { cost, file, hashes: await readBytes(path(`${name}/image.img.block-hash-index`)) };
  };
  const before = await bundle("old", old);
  const after = await bundle("new", next);
  const blocks = packedBlocks(await readBytes(after.file), await fileSize(next));
  return {
    tool: "rauc, adaptive (counted)",
    bytes: after.hashes.length + missingBytes(before.hashes, after.hashes, blocks),
    make: after.cost,
  };
};

/** Blocks of the squashfs that hold a block of the image that the old one has nowhere; zeros cost nothing. */
export function missingBytes(old: Uint8Array, next: Uint8Array, { blockSize, packed }: PackedBlocks): Bytes {
  const zeros = hex(sha256.digest(new Uint8Array(HASH_BLOCK)));
  const hashes = (list: Uint8Array): string[] =>
    Array.from({ length: list.length / HASH }, (_, i) => hex(list.subarray(i * HASH, (i + 1) * HASH)));
  const known = new Set([...hashes(old), zeros]);
  const wanted = new Set<number>();
  for (const [index, hash] of hashes(next).entries()) {
    if (known.has(hash)) continue;
    known.add(hash); // the second time it is there
    wanted.add(Math.floor((index * HASH_BLOCK) / blockSize));
  }
  return [...wanted].reduce((sum, index) => sum + packed[index]!, 0);
}
