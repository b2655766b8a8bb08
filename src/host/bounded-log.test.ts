import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openBoundedLog } from "./bounded-log.ts";

test("a log goes on where it ended", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-log-"));
  const path = join(dir.path, "console.log");
  for (const text of ["one\n", "two\n"]) {
    await using log = await openBoundedLog(path, 1000);
    log.append(text);
  }
  assert.equal(await readFile(path, "utf8"), "one\ntwo\n");
});

test("a log never takes more than twice its limit, and keeps what came last", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-log-"));
  const path = join(dir.path, "console.log");
  let said = "";
  {
    await using log = await openBoundedLog(path, 100);
    for (let n = 0; n < 200; n++) {
      const line = `${"x".repeat(n % 37)} line ${n}\n`;
      said += line;
      log.append(line);
    }
  }
  const [older, newer] = [await readFile(`${path}.1`, "utf8"), await readFile(path, "utf8")];
  assert.deepEqual(await readdir(dir.path), ["console.log", "console.log.1"]);
  assert.ok(older.length <= 100 && newer.length <= 100, `${older.length} and ${newer.length}`);
  assert.ok(said.endsWith(older + newer));
});
