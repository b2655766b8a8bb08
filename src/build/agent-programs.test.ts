import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { run } from "../host/run.ts";
import { agentPrograms } from "./agent-programs.ts";

test("every program of an image runs with nothing beside it", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-programs-"));
  const said: Record<string, string> = {};
  for (const { path, text } of await agentPrograms()) {
    const name = basename(path);
    if (name.startsWith("petrifyd")) continue; // it would work on this machine
    await writeFile(join(folder.path, name), text);
    const request = name === "install.mjs" ? { do: "disks" } : { do: "inspect", source: { is: "file", path: "/none" } };
    const argv = [process.execPath, join(folder.path, name), ...(name === "petrify.mjs" ? ["--help"] : [])] as const;
    // What tells people tells others by its exit status.
    const failing = ["stage.mjs", "api.mjs", "look.mjs", "forward.mjs", "debug.mjs"].includes(name);
    const { stdout, stderr } = await run([...argv], { stdin: JSON.stringify(request), okExit: failing ? [1] : [0] });
    said[name] = failing ? stderr : stdout;
  }
  assert.match(said["image.mjs"]!, /"code":"IMAGE_UNREADABLE"/);
  assert.match(said["install.mjs"]!, /"code":"ENOENT".*boot\.json/);
  assert.match(said["stage.mjs"]!, /^<3>stage : ENOENT.*boot\.json/m);
  assert.match(said["api.mjs"]!, /^<3>petrify-api was handed no socket/m);
  assert.match(said["look.mjs"]!, /^<3>petrify-look was handed no socket/m);
  assert.match(said["forward.mjs"]!, /^<3>petrify-forward was handed no socket/m);
  assert.match(said["debug.mjs"]!, /^<3>petrify-debug was handed no socket/m);
  assert.equal(
    said["authority.mjs"],
    "",
    "what it says is for the journal: a unit that has failed would be a reason to give an image back",
  );
  assert.match(said["petrify.mjs"]!, /^Usage: petrify/);
});
