/** Join tokens of an authority, a file each in its folder of secrets: what they may, and what they have done. docs/formats/join-tokens.md */
import { createHash, timingSafeEqual } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../../core/error.ts";
import { listFolder, makePrivateFolder, readText, removeFile } from "../../host/files.ts";
import { writeNewFile } from "../../host/new-file.ts";
import { replaceFile, syncDirectory } from "../../host/replace-file.ts";
import { SECRETS } from "../secrets-folder.ts";
import { inTurn } from "./secrets-lock.ts";

const schema = z.strictObject({
  format: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{8}$/),
  /** SHA-256 (hex) of the secret, which has too many bits to be guessed. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  label: z.string().optional(),
  /** Seconds since 1970. */
  created: z.number(),
  until: z.number(),
  /** Machines that it is for, at most. */
  uses: z.int().min(1),
  /** Those that it has made the authority's: fingerprint, host name, when. */
  joined: z.array(z.strictObject({ key: z.string(), hostname: z.string(), at: z.number() })),
});
export type StoredToken = z.output<typeof schema>;

/** A machine that comes with a token. */
export interface Joining {
  readonly id: string;
  readonly secret: string;
  /** Fingerprint of its key. */
  readonly key: string;
  readonly hostname: string;
}

export const hashOf = (secret: string): string => createHash("sha256").update(secret).digest("hex");

/** @throws NodeJS.ErrnoException `EEXIST` for a number that there is */
export async function storeToken(folder: string, token: StoredToken): Promise<void> {
  await makePrivateFolder(join(folder, SECRETS.tokens));
  await writeNewFile(pathOf(folder, token.id), textOf(token), 0o600);
  await syncDirectory(folder);
}

/** By their age. @throws AppError `TOKENS_INVALID` */
export async function storedTokens(folder: string): Promise<readonly StoredToken[]> {
  const names = await listFolder(join(folder, SECRETS.tokens)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const ids = names.flatMap((name) => /^([0-9a-f]{8})\.json$/.exec(name)?.[1] ?? []);
  const found = await Promise.all(ids.map(async (id) => await tokenIn(folder, id)));
  return found.filter((token) => token !== undefined).toSorted((a, b) => a.created - b.created);
}

/** @returns whether there was one */
export async function revokeToken(folder: string, id: string, signal: AbortSignal): Promise<boolean> {
  return await inTurn(folder, signal, async () => {
    if (!(await tokenIn(folder, id))) return false;
    await removeFile(pathOf(folder, id));
    await syncDirectory(join(folder, SECRETS.tokens));
    return true;
  });
}

/**
 * Takes one of a token's uses, which is on the disk when this returns: whatever is cut off afterwards, no other machine gets it. A machine that has
 * taken one asks for no other: its answer was lost.
 *
 * @param now seconds since 1970
 * @throws AppError `TOKEN_UNKNOWN`, `TOKEN_EXPIRED`, `TOKEN_USED_UP`, `NAME_TAKEN`, `SECRETS_BUSY`
 */
export async function spendToken(
  folder: string,
  { id, secret, key, hostname }: Joining,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  // Who only guesses does not keep others waiting.
  assertKnown(await tokenIn(folder, id), secret);
  await inTurn(folder, signal, async () => {
    const tokens = await storedTokens(folder);
    const token = assertKnown(
      tokens.find((one) => one.id === id),
      secret,
    );
    if (now >= token.until) throw refusal("TOKEN_EXPIRED", `the join token ${id} has expired`);
    if (token.joined.some((one) => one.key === key && one.hostname === hostname)) return;
    const other = tokens.flatMap(({ joined }) => joined).find((one) => one.hostname === hostname && one.key !== key);
    if (other) {
      throw new AppError("NAME_TAKEN", `there is a machine ${hostname} already, with the key ${other.key}`, {
        hint: "Give this one another name. If it was installed anew, revoke the token that the first one has joined with: petrify ca token list",
      });
    }
    if (token.joined.length >= token.uses) throw refusal("TOKEN_USED_UP", `the join token ${id} was for ${token.uses} machines`);
    const joined = [...token.joined, { key, hostname, at: Math.floor(now) }];
    await replaceFile(pathOf(folder, id), textOf({ ...token, joined }), 0o600);
  });
}

/** Who does not know a token is not told whether there is one. */
function assertKnown(token: StoredToken | undefined, secret: string): StoredToken {
  const [given, own] = [hashOf(secret), token?.hash ?? ""].map((text) => Buffer.from(text));
  if (token && given!.length === own!.length && timingSafeEqual(given!, own!)) return token;
  throw refusal("TOKEN_UNKNOWN", "there is no such join token: it was revoked, or is another authority's");
}

const refusal = (code: string, message: string): AppError =>
  new AppError(code, message, { hint: "Make another one: petrify ca token create" });

const pathOf = (folder: string, id: string): string => join(folder, SECRETS.tokens, `${id}.json`);
const textOf = (token: StoredToken): string => `${JSON.stringify(token, undefined, 2)}\n`;

async function tokenIn(folder: string, id: string): Promise<StoredToken | undefined> {
  if (!/^[0-9a-f]{8}$/.test(id)) return undefined;
  const path = pathOf(folder, id);
  const text = await readText(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError("TOKENS_INVALID", `${path} is no join token`, { hint: "Remove it, and make another one.", cause });
  }
}
