/** Tools that work on whole images. Each is given what its manual says makes updates small, and applied once: its result is compared. */
import { basename } from "node:path";
import { fileSize, makeFolder } from "../src/host/files.ts";
import { isImage, sizeOfNew, together, type DeltaFigures, type Lab } from "./delta-lab.ts";
import type { ImagePair } from "./image-pairs.ts";
import { serveRanges } from "./serve-ranges.ts";

type Images = Pick<ImagePair, "old" | "new">;
export type Peer = (images: Images, lab: Lab) => Promise<DeltaFigures>;

export const wholeImage: Peer = async (images, { path, measure }) => {
  const [tool, packed, made] = ["zstd -19, the whole image", path("packed"), path("made")];
  const make = await measure(["zstd", "-19", "-T0", "--quiet", "-o", packed, images.new]);
  const apply = await measure(["zstd", "-d", "--quiet", "-o", made, packed]);
  await isImage(made, images.new, tool);
  return { tool, bytes: await fileSize(packed), make, apply };
};

export const zstdPatch: Peer = async ({ old, new: next }, { path, measure }) => {
  const [tool, packed, made] = ["zstd -19 --patch-from", path("packed"), path("made")];
  const [quiet, against] = ["--quiet", ["--long=31", `--patch-from=${old}`]] as const;
  const make = await measure(["zstd", "-19", ...against, quiet, "-o", packed, next]);
  const apply = await measure(["zstd", "-d", ...against, quiet, "-o", made, packed]);
  await isImage(made, next, tool);
  return { tool, bytes: await fileSize(packed), make, apply };
};

export const xdelta: Peer = async ({ old, new: next }, { path, measure }) => {
  const [tool, packed, made] = ["xdelta3 -9", path("packed"), path("made")];
  const window = ["-B", String(2 ** Math.max(20, Math.ceil(Math.log2(await fileSize(old)))))] as const;
  const make = await measure(["xdelta3", "-e", "-9", "-S", "lzma", ...window, "-s", old, next, packed]);
  const apply = await measure(["xdelta3", "-d", ...window, "-s", old, packed, made]);
  await isImage(made, next, tool);
  return { tool, bytes: await fileSize(packed), make, apply };
};

/** @param chunks least, mean and most KiB of a chunk */
export const desync =
  (chunks: string): Peer =>
  async ({ old, new: next }, { path, measure, run }) => {
    const [tool, made] = [`desync, chunks of ${chunks} KiB`, path("made")];
    const argv = (version: string, image: string) =>
      ["desync", "make", "-m", chunks, "-s", path(version), path(`${version}.caibx`), image] as const;
    for (const store of ["old", "new"]) await makeFolder(path(store));
    await run(argv("old", old));
    const make = await measure(argv("new", next));
    const seed = ["--seed", `${path("old.caibx")}:${old}`] as const;
    const apply = await measure(["desync", "extract", "-s", path("new"), ...seed, path("new.caibx"), made]);
    await isImage(made, next, tool);
    return { tool, bytes: (await fileSize(path("new.caibx"))) + (await sizeOfNew(path("new"), path("old"))), make, apply };
  };

export const casync: Peer = async ({ old, new: next }, { path, measure, run }) => {
  const [tool, made] = ["casync, chunks of 64 KiB", path("made")];
  const argv = (version: string, image: string) =>
    ["casync", "make", `--store=${path(version)}`, path(`${version}.caibx`), image] as const;
  await run(argv("old", old));
  const make = await measure(argv("new", next));
  const from = [`--store=${path("new")}`, `--seed=${old}`] as const;
  const apply = await measure(["casync", "extract", ...from, path("new.caibx"), made]);
  await isImage(made, next, tool);
  return { tool, bytes: (await fileSize(path("new.caibx"))) + (await sizeOfNew(path("new"), path("old"))), make, apply };
};

/** The old image must be at hand packed by zchunk; bytes are those that a server on loopback sent. */
export const zchunk: Peer = async ({ old, new: next }, { path, measure, run }) => {
  const tool = "zchunk";
  for (const folder of ["server", "client"]) await makeFolder(path(folder));
  await run(["zck", "-o", path("old.zck"), old]);
  const make = await measure(["zck", "-o", path("server/new.zck"), next]);
  await using server = await serveRanges(path("server/new.zck"));
  const client = { cwd: path("client"), network: true } as const;
  const download = await measure(
    ["zckdl", "--quiet", "--fail-no-ranges", "-s", path("old.zck"), `${server.url}/new.zck`],
    client,
  );
  const unpack = await measure(["unzck", "new.zck"], client);
  await isImage(path(`client/${basename("new.zck", ".zck")}`), next, tool);
  return { tool, bytes: server.sent(), make, apply: together(download, unpack) };
};
