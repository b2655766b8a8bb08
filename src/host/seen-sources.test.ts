import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { keepSeenSources } from "./seen-sources.ts";

test("what a boot has seen is kept, for root only; one that has seen nothing leaves what there is", async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-seen-"));
  const [folder, now] = [join(dir.path, "config"), join(dir.path, "now")];
  await keepSeenSources(folder, now);
  assert.deepEqual(await readdir(dir.path), []);
  await writeFile(now, "petrify-sources 1\n");
  await keepSeenSources(folder, now);
  const path = join(folder, "sources");
  assert.deepEqual([await readFile(path, "utf8"), (await stat(path)).mode & 0o777], ["petrify-sources 1\n", 0o600]);
});
