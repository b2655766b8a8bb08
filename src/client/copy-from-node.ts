/** Copies out of a machine, also over a connection that is lost meanwhile. docs/concepts/copy.md */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { AppError } from "../core/error.ts";
import type { Bytes } from "../core/units.ts";
import type { CopyIn, ReceivedEntry } from "../host/copy-in.ts";
import { NoCopy } from "../host/copy-in.ts";
import { wait } from "../host/wait.ts";
import { shortLine } from "../layout/short-line.ts";
import { CopyService, type CopyEntry, type CopyRequestSchema } from "../protocol/petrify/v1/copy_pb.ts";
import { FileKind } from "../protocol/petrify/v1/system_pb.ts";
import { isLost, type NodeConnection } from "./open-node.ts";

/** What has come. */
export interface Copied {
  readonly kind: ReceivedEntry["kind"];
  readonly files: number;
  readonly folders: number;
  readonly links: number;
  readonly bytes: Bytes;
  /** Of a copy that is one file: in hexadecimal digits. */
  readonly sha256?: string;
  readonly leftOut: readonly { readonly path: string; readonly reason: string }[];
}
export interface CopyMeans {
  /** As the caller knows it. */
  readonly node: string;
  readonly first: NodeConnection;
  /** Another connection. */
  readonly open: () => Promise<NodeConnection>;
  /** What a call has failed with, as people can use it. */
  readonly failure: (error: unknown) => unknown;
  /** Where to, once it is known what it is. */
  readonly into: (kind: ReceivedEntry["kind"]) => Promise<Pick<CopyIn, "entry" | "data" | "end" | "received">>;
  /** Bytes that have come, and those of the file or folder as far as that is known. */
  readonly progress: (bytes: Bytes, total: Bytes | undefined) => void;
}

const KINDS: Readonly<Partial<Record<FileKind, ReceivedEntry["kind"]>>> = {
  ...{ [FileKind.FILE]: "file", [FileKind.FOLDER]: "folder", [FileKind.LINK]: "link" },
};
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** One after the other, without a byte in between. */
const ATTEMPTS = 8;

/** @param path of the machine @throws AppError, NodeJS.ErrnoException of this side; `NODE_FAILED` where the machine sends what is no copy */
export async function copyFromNode(path: string, means: CopyMeans, signal: AbortSignal): Promise<Copied> {
  const { node, first, open, failure, into, progress } = means;
  const sums = { files: 0, folders: 0, links: 0, bytes: 0 };
  const leftOut: Copied["leftOut"][number][] = [];
  let kind: ReceivedEntry["kind"] | undefined;
  let to: Awaited<ReturnType<CopyMeans["into"]>> | undefined;
  let sha256: string | undefined;
  let after: string | undefined;
  let part: { path: string; version: string; size: Bytes } | undefined;

  const begin = async (found: CopyEntry): Promise<void> => {
    const entry = received(found);
    kind ??= entry.kind;
    to ??= await into(entry.kind);
    await to.entry(entry);
    if (entry.kind !== "file") {
      after = entry.path;
      sums[entry.kind === "folder" ? "folders" : "links"]++;
    } else part = { path: entry.path, version: found.version, size: Number(found.size) };
  };
  const attempt = async (connection: NodeConnection): Promise<void> => {
    const resumed: MessageInitShape<typeof CopyRequestSchema> = {
      path,
      ...(after === undefined ? {} : { after }),
      ...(part ? { part: { path: part.path, version: part.version, offset: BigInt(to!.received()) } } : {}),
    };
    for await (const { news } of connection.client(CopyService).copy(resumed, { signal })) {
      switch (news.case) {
        case "entry":
          await begin(news.value);
          break;
        case "data":
          if (!to) throw new NoCopy("bytes come that are of no file");
          await to.data(news.value);
          sums.bytes += news.value.length;
          progress(sums.bytes, kind === "file" ? part?.size : undefined);
          break;
        case "end":
          if (!to || !part) throw new NoCopy("a file ends that has not begun");
          await to.end(news.value.sha256);
          sums.files++;
          after = part.path;
          part = undefined;
          sha256 = Buffer.from(news.value.sha256).toString("hex");
          break;
        case "leftOut":
          leftOut.push({ path: shortLine(news.value.path), reason: shortLine(news.value.reason) });
          break;
        case undefined:
          break;
      }
    }
    if (part || !kind) throw new NoCopy("it is not whole");
  };

  let before = 0;
  for (let attempts = 0, pause = FIRST_PAUSE_MS; ; attempts++) {
    try {
      if (attempts === 0) await attempt(first);
      else {
        await using connection = await open();
        await attempt(connection);
      }
      break;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof NoCopy)
        throw new AppError("NODE_FAILED", shortLine(`${node} has sent what is no copy: ${error.message}`), { cause: error });
      const known = failure(error);
      if (!isLost(known) || (!to && attempts === 0)) throw known;
      if (sums.bytes > before) [attempts, pause, before] = [0, FIRST_PAUSE_MS, sums.bytes];
      if (attempts >= ATTEMPTS) throw known;
      await wait(pause, signal);
      pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
    }
  }
  return { kind: kind!, ...sums, leftOut, ...(kind === "file" && sha256 !== undefined ? { sha256 } : {}) };
}

function received({ path, kind, mode, modified, target, offset }: CopyEntry): ReceivedEntry {
  const known = KINDS[kind];
  if (!known) throw new NoCopy(`nobody knows what ${path} is`);
  return { path, kind: known, mode, modified: modified ? timestampMs(modified) / 1000 : 0, target, offset: Number(offset) };
}
