import { join } from "node:path";
import { z } from "zod";
import { folderUse } from "../../host/look-files.ts";
import type { UsageResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { turnstile } from "../../registry/at-once.ts";
import { lookCall } from "./call.ts";
import { wholeJson } from "./json.ts";
import { pathSchema } from "./path.ts";

/** A few seconds on a slow disk. */
const MOST_FILES = 200_000;
/** Of the answer; the rest is in the sum. */
const MOST_PARTS = 1000;
/** Each reads a disk as fast as it can. */
const enter = turnstile(1);

export const usage = lookCall({
  request: z.strictObject({ path: pathSchema }),
  answer: async ({ path }, { root }, signal): Promise<UsageResponseJson> => {
    const { parts, isCut } = await enter(async () => await folderUse(join(root, path), MOST_FILES, signal));
    const sum = (field: "bytes" | "files"): string => wholeJson(parts.reduce((all, part) => all + part[field], 0));
    return {
      ...{ bytes: sum("bytes"), files: sum("files"), cut: isCut },
      parts: parts
        .toSorted((one, other) => other.bytes - one.bytes)
        .slice(0, MOST_PARTS)
        .map(({ name, bytes, files }) => ({ name, bytes: wholeJson(bytes), files: wholeJson(files) })),
    };
  },
});
