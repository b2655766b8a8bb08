import assert from "node:assert/strict";
import { test } from "node:test";
import { hashRecoveryToken, isRecoveryHash, isRecoveryToken } from "./recovery-token.ts";

const TOKEN = "0AB1-CDEF-GHJK-MNPQ-RSTV-WXYZ";
const hash = await hashRecoveryToken(TOKEN, new Uint8Array(16).fill(7));

test("a recovery token is known by its digest, however it is typed", async () => {
  assert.ok(isRecoveryHash(hash));
  for (const typed of [TOKEN, TOKEN.toLowerCase(), TOKEN.replaceAll("-", ""), ` ${TOKEN}\n`, TOKEN.replace("0AB1", "oabl")])
    assert.equal(await isRecoveryToken(typed, `${hash}\n`), true, typed);
});

test("no other token is, and no other text is a digest", async () => {
  for (const [typed, text] of [
    ["", hash],
    [TOKEN.replace("Z", "Y"), hash],
    [TOKEN, ""],
    [TOKEN, hash.replace("16384", "2")],
    [TOKEN, hash.slice(0, -1)],
  ] as const)
    assert.equal(await isRecoveryToken(typed, text), false, text);
});

test("two machines of two authorities have two digests of one token", async () => {
  assert.notEqual(await hashRecoveryToken(TOKEN, new Uint8Array(16).fill(8)), hash);
});
