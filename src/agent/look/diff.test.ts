import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeNode } from "../../host/fake-node.ts";
import { runLines } from "../../host/run-lines.ts";
import { scriptedRun } from "../../host/run.ts";
import { diff } from "./diff.ts";
import { noCaptures } from "./testing.ts";

const { signal } = new AbortController();

test("what persistent folders hold that the image does not is told, folder by folder", async () => {
  await using node = await fakeNode(["/etc/app", "/srv"], ["/etc/app"]);
  await node.put("image", "/etc/app", { "same.conf": "one", "mine.conf": "one" });
  for (const layer of ["upper", "merged"] as const)
    await node.put(layer, "/etc/app", { "mine.conf": "two", "new.conf": "three" });
  await node.put("merged", "/etc/app", { "same.conf": "one" });
  const ports = { run: scriptedRun({}).run, runLines, root: node.root, lsblk: "lsblk", ...noCaptures, now: () => 0 };
  const answers = await Array.fromAsync(diff({}, ports, signal) as AsyncIterable<{ paths: { path: string; verdict: string }[] }>);
  const told = answers.flatMap(({ paths }) => paths.map(({ path, verdict }) => `${verdict} ${path}`));
  assert.deepEqual(told, ["changed /etc/app/mine.conf", "added /etc/app/new.conf", "unreadable /srv"]);
});
