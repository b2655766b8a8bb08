import { join } from "node:path";
import { AppError } from "../../core/error.ts";
import { GiB } from "../../core/units.ts";
import { fileSize, makeFolder } from "../../host/files.ts";
import { CommandError } from "../../host/run.ts";
import { writeStream } from "../../host/stream-file.ts";
import { toolFailed } from "../../host/tools.ts";
import type { BuildContext } from "../context.ts";
import { archiveOfFile } from "./archive.ts";
import { compressionOf, decompressed, type Compression } from "../../host/decompress.ts";
import { largestUnpacked, LIMITS, tooLarge, type ArchiveLimits } from "../../layout/archive-limits.ts";

export async function compressionOfFile(path: string, signal: AbortSignal | undefined): Promise<Compression> {
  for await (const first of archiveOfFile(path, path, { size: Math.min(6, await fileSize(path)) }, signal).read())
    return compressionOf(first);
  return "none";
}

/**
 * The same archive without compression, in the work folder; the archive itself where it has none.
 *
 * @throws AppError `ARCHIVE_REFUSED`
 */
export async function plainFile(
  origin: string,
  path: string,
  work: string,
  context: BuildContext,
  limits: ArchiveLimits = LIMITS,
): Promise<string> {
  const compression = await compressionOfFile(path, context.signal);
  if (compression === "none") return path;
  const folder = join(work, "plain");
  const plain = join(folder, "archive");
  await makeFolder(folder);
  const size = await fileSize(path);
  const limit = largestUnpacked(limits, size);
  if (compression === "xz" || compression === "bzip2") await byTool(compression, { origin, path, folder, limit }, context);
  else
    await writeStream(
      plain,
      decompressed(origin, archiveOfFile(origin, path, { size }, context.signal).read(), limit),
      context.signal,
    );
  return plain;
}

const TOOLS = {
  xz: {
    set: "build",
    suffix: "xz",
    argv: ["xz", "--decompress", "--keep", "--force", "--no-sync", `--memlimit-decompress=${GiB}`],
  },
  bzip2: { set: "containers", suffix: "bz2", argv: ["bzip2", "--decompress", "--keep", "--force"] },
} as const;

async function byTool(
  compression: "xz" | "bzip2",
  {
    origin,
    path,
    folder,
    limit,
  }: { readonly origin: string; readonly path: string; readonly folder: string; readonly limit: number },
  { tools, containerTools, signal }: BuildContext,
): Promise<void> {
  const { set, suffix, argv } = TOOLS[compression];
  const program = set === "build" ? tools : await containerTools();
  const seen = `/run/plain/archive.${suffix}`;
  try {
    await program.run(["prlimit", `--fsize=${limit}`, "--", ...argv, seen], {
      binds: [
        { source: folder, target: "/run/plain", writable: true },
        { source: path, target: seen },
      ],
      signal,
    });
  } catch (cause) {
    signal?.throwIfAborted();
    if (!(cause instanceof CommandError)) throw cause;
    const { exitCode = 0, stderr = "" } = cause.result ?? {};
    // SIGXFSZ, or the error that a program sees which does not die of it.
    if (exitCode === 128 + 25 || /File too large|size limit exceeded/i.test(stderr)) throw tooLarge(origin, limit);
    if (/corrupt|magic|Unexpected end|unexpectedly|not in the \.xz format|Memory usage limit|data integrity/i.test(stderr)) {
      throw new AppError(
        "ARCHIVE_REFUSED",
        `${origin}: is not ${compression} that can be read: ${stderr.trim().split("\n")[0]}`,
        {
          hint: "Fetch or make the archive again.",
          cause,
        },
      );
    }
    throw toolFailed(compression, `${origin} could not be decompressed`, cause);
  }
}
