/** A thread of {@link ./unpack-threads.ts}. Nothing imports this file. */
import { hash } from "node:crypto";
import { parentPort, workerData } from "node:worker_threads";
import { salter } from "../layout/verity-tree.ts";
import { giveBack } from "../core/give-back.ts";
import { DIGEST_BLOCK, DIGEST_SIZE } from "../core/digest.ts";
import { transferable, type UnpackAnswer, type UnpackRequest, type UnpackSettings } from "./unpack-threads.ts";
import { zstdUnpackNow } from "./zstd.ts";

const port = parentPort!;
const salted = salter((workerData as UnpackSettings).salt, DIGEST_BLOCK);

/** As text of a character a byte: a buffer for each would take a third of the time. */
const digest = (bytes: Uint8Array): string => hash("sha256", bytes, "latin1");

function blocksOf(bytes: Uint8Array): Uint8Array {
  const count = Math.floor(bytes.length / DIGEST_BLOCK);
  const blocks = Buffer.alloc(count * DIGEST_SIZE);
  for (let index = 0; index < count; index++) {
    const block = bytes.subarray(index * DIGEST_BLOCK, (index + 1) * DIGEST_BLOCK);
    blocks.write(digest(salted(block)), index * DIGEST_SIZE, "latin1");
  }
  return blocks;
}

port.on("message", ({ id, packed, limit }: UnpackRequest) => {
  let answer: UnpackAnswer;
  try {
    const bytes = transferable(zstdUnpackNow(packed, limit));
    const whole = Buffer.alloc(DIGEST_SIZE);
    whole.write(digest(bytes), "latin1");
    answer = { id, bytes, digests: { whole, blocks: blocksOf(bytes) } };
    giveBack(packed);
  } catch (error) {
    answer = { id, failure: (error as Error).message };
  }
  port.postMessage(answer, "bytes" in answer ? [answer.bytes.buffer as ArrayBuffer] : []);
});
