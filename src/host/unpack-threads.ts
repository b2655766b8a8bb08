/** Segments of an image are unpacked and hashed in threads of their own: both take longer than fetching them does. */
import { availableParallelism } from "node:os";
import { isMarkedAsUntransferable, Worker } from "node:worker_threads";
import type { SegmentDigests } from "../core/digest.ts";
import type { Bytes } from "../core/units.ts";

/** What a thread is asked for; `packed` is the thread's from then on. */
export interface UnpackRequest {
  readonly id: number;
  readonly packed: Uint8Array;
  readonly limit: Bytes;
}
/** What it answers. */
export type UnpackAnswer = { readonly id: number } & (
  | { readonly bytes: Uint8Array; readonly digests: SegmentDigests }
  | { readonly failure: string }
);
/** What a thread is started with. */
export interface UnpackSettings {
  /** Of the hash tree: hexadecimal digits. */
  readonly salt: string;
}

export interface UnpackThreads extends AsyncDisposable {
  /** @param packed may be empty afterwards @throws Error as `zstdUnpack` does */
  readonly unpack: (packed: Uint8Array, limit: Bytes) => Promise<Uint8Array>;
  /** Of what {@link unpack} has given, and of nothing else. */
  readonly digestsOf: (bytes: Uint8Array) => SegmentDigests | undefined;
}

/** More than so many have nothing to do: the bytes come one after the other. */
const MOST = 4;

/** The same bytes, or others where they lie among others': Node's small buffers share their memory. */
export const transferable = (bytes: Uint8Array): Uint8Array =>
  isMarkedAsUntransferable(bytes.buffer) ? new Uint8Array(bytes) : bytes;

/** Memory: some 10 MiB a thread, of which there is one for each CPU, and what it unpacks. */
export function openUnpackThreads(settings: UnpackSettings): UnpackThreads {
  const waiting = new Map<number, (answer: UnpackAnswer | Error) => void>();
  const digests = new WeakMap<Uint8Array, SegmentDigests>();
  const threads = Array.from({ length: Math.min(availableParallelism(), MOST) }, () => {
    const thread = new Worker(new URL("unpack-thread.ts", import.meta.url), { workerData: settings });
    thread.on("message", (answer: UnpackAnswer) => waiting.get(answer.id)?.(answer));
    const fail = (error: Error): void => {
      for (const tell of waiting.values()) tell(error);
    };
    thread.on("error", fail).on("exit", () => fail(new Error("a thread has ended")));
    return thread;
  });
  let next = 0;
  return {
    unpack: async (packed, limit) => {
      const id = next++;
      const answered = new Promise<UnpackAnswer | Error>((resolve) => waiting.set(id, resolve));
      const given = transferable(packed);
      const request: UnpackRequest = { id, packed: given, limit };
      threads[id % threads.length]!.postMessage(request, [given.buffer as ArrayBuffer]);
      const answer = await answered;
      waiting.delete(id);
      if (answer instanceof Error) throw answer;
      if ("failure" in answer) throw new Error(answer.failure);
      digests.set(answer.bytes, answer.digests);
      return answer.bytes;
    },
    digestsOf: (bytes) => digests.get(bytes),
    [Symbol.asyncDispose]: async () => {
      for (const thread of threads) thread.removeAllListeners("exit");
      await Promise.all(threads.map(async (thread) => await thread.terminate()));
    },
  };
}
