import { createHash } from "node:crypto";
import type { Tools } from "../host/tools.ts";
import { writeBytes } from "../host/partial-file.ts";
import { VERITY_UUID } from "../layout/verity.ts";

/** The same for every image, so that a node can make the hash tree itself: it is never shipped. Hexadecimal digits. */
export const VERITY_SALT = createHash("sha256").update("petrify verity salt 1").digest("hex");

/**
 * Makes the dm-verity hash tree of a file: SHA-256, blocks of 4096 bytes, superblock first.
 *
 * @param root length is a whole number of 4096-byte blocks
 * @param hashFile is made anew
 * @returns the root hash, 64 hexadecimal digits
 * @see {@link https://gitlab.com/cryptsetup/cryptsetup/-/wikis/DMVerity} the format
 */
export async function formatVerity(tools: Tools, root: string, hashFile: string, signal?: AbortSignal): Promise<string> {
  await writeBytes(hashFile, "");
  const { stdout } = await tools.run(
    [
      ...(["veritysetup", "format", "--salt", VERITY_SALT, "--uuid", VERITY_UUID, "--hash", "sha256"] as const),
      ...["--data-block-size", "4096", "--hash-block-size", "4096", "/tmp/root", "/tmp/tree"],
    ],
    {
      binds: [
        { source: root, target: "/tmp/root" },
        { source: hashFile, target: "/tmp/tree", writable: true },
      ],
      signal,
    },
  );
  const rootHash = /^Root hash:\s+([0-9a-f]{64})$/m.exec(stdout)?.[1];
  if (!rootHash) throw new Error(`veritysetup printed no root hash:\n${stdout}`);
  return rootHash;
}
