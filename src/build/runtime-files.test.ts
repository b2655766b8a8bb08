import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { CACHE } from "../../tests/support/cli.ts";
import { testTools } from "../../tests/support/tools.ts";
import { fstab } from "../layout/fstab.ts";
import { runtimeFiles } from "./runtime-files.ts";

test("systemd finds nothing wrong with the units, and what they start and are started by is there", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-runtime-"));
  const files = await runtimeFiles({ tools, cacheFolder: CACHE, signal: undefined }, folder.path);
  const has = (path: string): boolean => files.some((file) => file.path === path);
  const units: [string, ...string[]] = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"];
  for (const file of files) {
    if ("target" in file) assert.ok(has(join(dirname(file.path), file.target)), file.path);
    else if (file.path.endsWith(".service")) {
      const text = Buffer.from(file.data).toString();
      const program = /^ExecStart=(\S+)/m.exec(text)![1]!;
      assert.ok(has(program), `${file.path} starts ${program}`);
      const copy = join(folder.path, "units", basename(file.path));
      await mkdir(dirname(copy), { recursive: true });
      await writeFile(copy, text.replaceAll(program, "/usr/bin/true")); // the tools tree has no other place for it
      units.push(copy);
    }
  }
  assert.equal(units.length, 8);
  const { stderr } = await tools.run(units, { binds: [{ source: folder.path }] });
  assert.equal(stderr, "");
});

test("the units that an fstab requires are the image's", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-runtime-"));
  const text = fstab(new Set(["oem", "persistent"]), ["/home"]);
  const required = [...text.matchAll(/x-systemd\.requires=([^, ]+)/g)].map(([, name]) => name!.replace(/@.+(?=\.)/, "@"));
  assert.equal(required.length, 3);
  const files = await runtimeFiles({ tools, cacheFolder: CACHE, signal: undefined }, folder.path);
  for (const name of required)
    assert.ok(
      files.some(({ path }) => path === `/usr/lib/systemd/system/${name}`),
      name,
    );
});
