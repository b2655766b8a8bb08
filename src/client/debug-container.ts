/** A container of tools on a machine, as whoever has asked for it sees it. docs/concepts/debug.md */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { AppError } from "../core/error.ts";
import { handover } from "../core/handover.ts";
import { wait } from "../host/wait.ts";
import { shortLine } from "../layout/short-line.ts";
import {
  DebugService,
  type DebugRequestSchema,
  type DebugResponse,
  type DebugStartSchema,
} from "../protocol/petrify/v1/debug_pb.ts";
import type { NodeConnection } from "./open-node.ts";

type Part = NonNullable<MessageInitShape<typeof DebugRequestSchema>["part"]>;

export interface DebugAsked {
  readonly start: MessageInitShape<typeof DebugStartSchema>;
  /** The image, where it comes from here. */
  readonly archive?: AsyncIterable<Uint8Array>;
}
/** Where the container's program reads from and writes to. */
export interface DebugEnds {
  readonly doing: (what: string) => void;
  /**
   * The program runs: what is typed may come.
   *
   * @param say resolves when the machine's turn has come to take it
   * @returns is ended with the container
   */
  readonly started: (digest: string, say: (part: DebugInput) => Promise<void>) => Disposable;
  readonly output: (bytes: Uint8Array) => Promise<void>;
  readonly errors: (bytes: Uint8Array) => Promise<void>;
}
export type DebugInput = Extract<Part, { readonly case: "input" | "inputEnd" | "window" }>;

/** The machine says something more often than that, and expects the same; milliseconds. */
const SIGN_MS = 10_000;
const LOST_MS = 60_000;
const PIECE = 32 * 1024;

/**
 * Until its program has ended.
 *
 * @param node as the caller knows it
 * @throws AppError `NODE_UNREACHABLE` when nothing is heard of the machine any more; ConnectError; what `ends` throws
 */
export async function debugContainer(
  { client }: Pick<NodeConnection, "client">,
  node: string,
  { start, archive }: DebugAsked,
  ends: DebugEnds,
  signal: AbortSignal,
): Promise<{ readonly exitCode: number; readonly reason: string }> {
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  const { give, end, taken } = handover<Part>();
  const requests = async function* () {
    yield { part: { case: "start", value: start } } as const;
    if (archive) {
      for await (const piece of archive)
        for (let at = 0; at < piece.length; at += PIECE)
          yield { part: { case: "archive", value: piece.subarray(at, at + PIECE) } } as const;
      yield { part: { case: "archiveEnd", value: {} } } as const;
    }
    for await (const part of taken()) yield { part };
  };
  const signs = async (): Promise<void> => {
    for (;;) {
      await wait(SIGN_MS, both);
      await give({ case: "alive", value: {} });
    }
  };
  const say = async (part: DebugInput): Promise<void> => {
    if (part.case !== "input") return await give(part);
    const bytes = part.value;
    for (let at = 0; at < bytes.length; at += PIECE) await give({ case: "input", value: bytes.subarray(at, at + PIECE) });
  };
  const answers = client(DebugService).debug(requests(), { signal: both })[Symbol.asyncIterator]();
  signs().catch(() => {}); // it ends with the call
  using typing = new DisposableStack();
  try {
    for (;;) {
      const next = await heard(answers.next(), node, both);
      if (next.done) throw new AppError("NODE_FAILED", `${node} does not say how the program has ended`);
      const { news } = next.value;
      if (news.case === "progress") ends.doing(shortLine(news.value.doing));
      else if (news.case === "started") typing.use(ends.started(news.value.digest, say));
      else if (news.case === "output") await ends.output(news.value);
      else if (news.case === "errors") await ends.errors(news.value);
      else if (news.case === "ended") return { exitCode: news.value.exitCode, reason: shortLine(news.value.reason) };
    }
  } finally {
    end();
    over.abort();
  }
}

async function heard(
  next: Promise<IteratorResult<DebugResponse>>,
  node: string,
  signal: AbortSignal,
): Promise<IteratorResult<DebugResponse>> {
  const over = new AbortController();
  const late = wait(LOST_MS, AbortSignal.any([signal, over.signal])).then(() => {
    throw new AppError("NODE_UNREACHABLE", `nothing is heard of ${node} any more`, {
      hint: "The container is gone within a minute.",
    });
  });
  late.catch(() => {});
  try {
    return await Promise.race([next, late]);
  } finally {
    over.abort();
  }
}
