import { createHash } from "node:crypto";
import { drained } from "./drained.ts";
import { NoCopy, type CopyIn } from "./copy-in.ts";

/** One file, written to a stream as it comes: what was written stays written, so a file that begins anew is an error. */
export function copyToStream(stream: NodeJS.WriteStream): Pick<CopyIn, "entry" | "data" | "end" | "received"> {
  const hash = createHash("sha256");
  let received = 0;
  return {
    received: () => received,
    entry: async ({ offset, kind }) => {
      if (kind !== "file" || offset !== received)
        throw new NoCopy("the file was changed while it was read, and what was written cannot be taken back");
      await Promise.resolve();
    },
    data: async (bytes) => {
      stream.write(bytes);
      hash.update(bytes);
      received += bytes.length;
      // Who reads slowly is waited for.
      await drained(stream);
    },
    end: async (sha256) => {
      if (!hash.digest().equals(sha256)) throw new NoCopy("the file has other bytes here than there");
      await Promise.resolve();
    },
  };
}
