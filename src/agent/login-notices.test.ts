import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { loginNotices } from "./login-notices.ts";

async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-notices-"));
  const at = (name: string): string => join(folder.path, name);
  const logged: string[] = [];
  const places = { ofRecovery: at("issue.d/owned"), reload: at("reload"), recovery: at("recovery") };
  const notices = loginNotices((line) => logged.push(line), places);
  return { at, logged, ...notices, [Symbol.asyncDispose]: async () => await folder.remove() };
}

suite("a notice above login prompts", () => {
  test("is there, also for prompts that wait already, until there is none any more", async () => {
    await using it = await desk();
    const { at, say, logged } = it;
    await say(at("issue.d/waits"), "one\n");
    assert.equal(await readFile(at("issue.d/waits"), "utf8"), "one\n");
    assert.equal(await readFile(at("reload"), "utf8"), "\n");
    for (let times = 0; times < 2; times++) await say(at("issue.d/waits"), undefined);
    assert.deepEqual([await readdir(at("issue.d")), logged], [[], []]);
  });

  test("tells of the recovery token as long as there is one", async () => {
    await using it = await desk();
    const { at, tellOfRecoveryToken } = it;
    await writeFile(at("recovery"), "x");
    await tellOfRecoveryToken();
    assert.match(await readFile(at("issue.d/owned"), "utf8"), /^Log in as petrify-enrol /);
    await rm(at("recovery"));
    await tellOfRecoveryToken();
    assert.deepEqual(await readdir(at("issue.d")), []);
  });

  test("that cannot be shown is logged, and keeps nobody from going on", async () => {
    await using it = await desk();
    const { at, say, tellOfRecoveryToken, logged } = it;
    await writeFile(at("issue.d"), "no folder");
    await writeFile(at("recovery"), "x");
    await say(at("issue.d/waits"), "one\n");
    await tellOfRecoveryToken();
    assert.equal(logged.length, 2);
    for (const line of logged) assert.match(line, /^what login prompts show is not changed: E/);
  });
});
