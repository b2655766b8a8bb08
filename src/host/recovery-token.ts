/** What a machine keeps of the token that brings it a new owner: a slow digest, which is no use to who reads it. docs/formats/api.md */
import { scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";
import { promisify } from "node:util";

/** 16 MiB and some 50 ms. Source: RFC 7914, section 2 */
const [COST, BLOCK_SIZE, PARALLEL] = [16_384, 8, 1];
const LENGTH = 32;
const HASH = /^scrypt\$16384\$8\$1\$([A-Za-z0-9_-]{22})\$([A-Za-z0-9_-]{43})$/;

/** Whether a text is what {@link hashRecoveryToken} makes. */
export const isRecoveryHash = (text: string): boolean => HASH.test(text);

/** @param salt 16 bytes */
export async function hashRecoveryToken(token: string, salt: Uint8Array): Promise<string> {
  const [saltText, hash] = [salt, await derive(token, salt)].map((bytes) => Buffer.from(bytes).toString("base64url"));
  return `scrypt$${COST}$${BLOCK_SIZE}$${PARALLEL}$${saltText}$${hash}`;
}

/** @param hash as {@link hashRecoveryToken} has made it; nobody has the token of any other text */
export async function isRecoveryToken(token: string, hash: string): Promise<boolean> {
  const [, salt, wanted] = HASH.exec(hash.trim()) ?? [];
  if (salt === undefined || wanted === undefined) return false;
  return timingSafeEqual(await derive(token, Buffer.from(salt, "base64url")), Buffer.from(wanted, "base64url"));
}

const derive = async (token: string, salt: Uint8Array): Promise<Buffer> =>
  await promisify<string, Uint8Array, number, ScryptOptions, Buffer>(scrypt)(plain(token), salt, LENGTH, {
    ...{ N: COST, r: BLOCK_SIZE, p: PARALLEL },
  });

/** It is typed by people: case, groups and digits that look alike do not matter. Source: https://www.crockford.com/base32.html */
const plain = (token: string): string =>
  token.toUpperCase().replaceAll(/[\s-]/g, "").replaceAll("O", "0").replaceAll(/[IL]/g, "1");
