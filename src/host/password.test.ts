import assert from "node:assert/strict";
import { mkdtempDisposable, open, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { keyPassword, type PasswordSources } from "./password.ts";

const nobody: PasswordSources = { fd: undefined, env: {}, ask: undefined };

async function fromFile(content: string | Uint8Array): Promise<string> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-password-"));
  const path = join(folder.path, "password");
  await writeFile(path, content);
  await using file = await open(path);
  const password = await keyPassword({ ...nobody, fd: file.fd, env: { PETRIFY_KEY_PASSWORD: "env" } }, "?");
  await file.stat(); // still open: it is not ours
  return password;
}

test("a descriptor comes first, then the environment, then a person", async () => {
  assert.equal(await fromFile("of the file\nand more"), "of the file");
  const asked: string[] = [];
  const ask = async (question: string): Promise<string> => await Promise.resolve((asked.push(question), "typed"));
  assert.equal(await keyPassword({ ...nobody, env: { PETRIFY_KEY_PASSWORD: "a", COSIGN_PASSWORD: "b" }, ask }, "?"), "a");
  assert.equal(await keyPassword({ ...nobody, env: { COSIGN_PASSWORD: "b" }, ask }, "?"), "b");
  assert.equal(await keyPassword({ ...nobody, env: { COSIGN_PASSWORD: "" }, ask }, "?"), "");
  assert.deepEqual(asked, []);
  assert.equal(await keyPassword({ ...nobody, ask }, "Password of edge.key:"), "typed");
  assert.deepEqual(asked, ["Password of edge.key:"]);
});

test("the first line is the password, whatever ends it", async () => {
  for (const [content, password] of [
    ["x", "x"],
    ["x\r\ny", "x"],
    ["größe \n", "größe "],
    ["", ""],
    [`${"x".repeat(4096)}\n`, "x".repeat(4096)],
  ] as const)
    assert.equal(await fromFile(content), password);
});

test("without a password there is an error that says how to give one", async () => {
  const needed = { code: "KEY_PASSWORD_NEEDED" };
  await assert.rejects(keyPassword(nobody, "?"), needed);
  await assert.rejects(keyPassword({ ...nobody, ask: async () => await Promise.resolve(undefined) }, "?"), needed);
  await assert.rejects(keyPassword({ ...nobody, fd: 9999 }, "?"), needed);
  await assert.rejects(fromFile("x".repeat(100_000)), needed);
});
