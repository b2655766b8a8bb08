import { join } from "node:path";
import { z } from "zod";
import { copyOut, type CopyEntry, type CopyNews } from "../../host/copy-out.ts";
import type { CopyEntryJson, CopyResponseJson } from "../../protocol/petrify/v1/copy_pb.ts";
import type { FileKindJson } from "../../protocol/petrify/v1/system_pb.ts";
import { allowFile } from "./allow-file.ts";
import { lookCall } from "./call.ts";
import { timestampJson, wholeJson } from "./json.ts";
import { bytesSchema, pathSchema } from "./path.ts";

const KINDS: Readonly<Record<CopyEntry["kind"], FileKindJson>> = {
  ...{ file: "FILE_KIND_FILE", folder: "FILE_KIND_FOLDER", link: "FILE_KIND_LINK" },
};
/** Compared with, never opened. */
const within = z.string().max(4096);

export const copy = lookCall({
  request: z.strictObject({
    path: pathSchema,
    after: within.optional(),
    part: z
      .strictObject({ path: within.default(""), offset: bytesSchema.default(0), version: z.string().max(128).default("") })
      .optional(),
  }),
  answer: async function* ({ path, ...place }, { root }, signal): AsyncGenerator<CopyResponseJson> {
    for await (const news of copyOut(join(root, path), place, allowFile, signal)) yield newsJson(news);
  },
});

function newsJson(news: CopyNews): CopyResponseJson {
  if ("entry" in news) return { entry: entryJson(news.entry) };
  if ("data" in news) return { data: Buffer.from(news.data).toString("base64") };
  return "end" in news ? { end: { sha256: Buffer.from(news.end.sha256).toString("base64") } } : { leftOut: news.leftOut };
}

const entryJson = ({ kind, modified, size, offset, ...rest }: CopyEntry): CopyEntryJson => ({
  ...{ ...rest, kind: KINDS[kind], modified: timestampJson(modified), size: wholeJson(size), offset: wholeJson(offset) },
});
