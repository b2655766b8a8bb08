import assert from "node:assert/strict";
import { mkdtempDisposable, readdir, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { testTools } from "../../tests/support/tools.ts";
import { RUNTIME_FOLDER } from "../layout/own-programs.ts";
import { agentRuntime } from "./agent-runtime.ts";

test("the runtime runs with nothing else around it, from where an image has it", async () => {
  const tools = await testTools();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-runtime-"));
  const runtime = await agentRuntime({ tools, cacheFolder: folder.path, signal: undefined }, join(folder.path, "work"));
  for (const name of await readdir(join(runtime, "bin")))
    assert.equal((await stat(join(runtime, "bin", name))).mode & 0o777, 0o755, name);
  // An empty root: no shell, no library but its own.
  const inside = (...argv: readonly string[]): [string, ...string[]] => [
    ...([
      "bwrap",
      "--unshare-user",
      "--tmpfs",
      "/",
      "--ro-bind",
      runtime,
      RUNTIME_FOLDER,
      "--dev",
      "/dev",
      "--proc",
      "/proc",
      "--",
    ] as const),
    ...argv,
  ];
  const binds = [{ source: runtime }];
  const { stdout } = await tools.run(inside(`${RUNTIME_FOLDER}/bin/node`, "-p", "process.execPath + process.version"), {
    binds,
    anyOwner: true,
  });
  assert.equal(stdout.trim(), `${RUNTIME_FOLDER}/bin/node${process.version}`);
  for (const program of ["e2fsck", "mke2fs", "debugfs"]) {
    const { stderr } = await tools.run(inside(`${RUNTIME_FOLDER}/bin/${program}`, "-V"), { binds, anyOwner: true });
    assert.match(stderr, /^(e2fsck|mke2fs|debugfs) 1\./);
  }
  for (const program of ["lsblk", "wipefs"]) {
    const { stdout: said } = await tools.run(inside(`${RUNTIME_FOLDER}/bin/${program}`, "--version"), { binds, anyOwner: true });
    assert.match(said, /from util-linux 2\./);
  }
});
