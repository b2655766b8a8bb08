import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../core/error.ts";
import { readFileRange } from "../../host/look-files.ts";
import { isSecretPath, looksSecret } from "../../layout/secret-paths.ts";
import type { ReadResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { lookCall } from "./call.ts";
import { pathSchema } from "./path.ts";

/** uint64 as JSON has it. */
const whole = z
  .string()
  .regex(/^\d{1,15}$/, "a number of bytes")
  .transform(Number);

export const read = lookCall({
  request: z.strictObject({ path: pathSchema, offset: whole.default(0), limit: whole.default(Number.MAX_SAFE_INTEGER) }),
  answer: async function* ({ path, offset, limit }, { root }, signal): AsyncGenerator<ReadResponseJson> {
    for await (const bytes of readFileRange(join(root, path), { from: offset, most: limit }, allow)) {
      signal.throwIfAborted();
      yield { data: Buffer.from(bytes).toString("base64") };
    }
  },
});

/** @throws AppError `PATH_REFUSED` */
function allow(path: string, head: Uint8Array | undefined): void {
  const isSecret = isSecretPath(path) || (head !== undefined && looksSecret(Buffer.from(head).toString("latin1")));
  if (!isSecret) return;
  throw new AppError("PATH_REFUSED", `${path} is closed to the API: it may hold a secret`, {
    hint: "What lets others in is not read over the network, whoever asks.",
  });
}
