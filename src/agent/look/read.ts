import { join } from "node:path";
import { z } from "zod";
import { readFileRange } from "../../host/look-files.ts";
import type { ReadResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { allowFile } from "./allow-file.ts";
import { lookCall } from "./call.ts";
import { bytesSchema, pathSchema } from "./path.ts";

export const read = lookCall({
  request: z.strictObject({
    path: pathSchema,
    offset: bytesSchema.default(0),
    limit: bytesSchema.default(Number.MAX_SAFE_INTEGER),
  }),
  answer: async function* ({ path, offset, limit }, { root }, signal): AsyncGenerator<ReadResponseJson> {
    for await (const bytes of readFileRange(join(root, path), { from: offset, most: limit }, allowFile)) {
      signal.throwIfAborted();
      yield { data: Buffer.from(bytes).toString("base64") };
    }
  },
});
