import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { petrify, workspace } from "../support/cli.ts";
import { takeCore } from "../support/turns.ts";

test("petrify quickstart builds an image, boots it twice and shows that it is immutable", async () => {
  await using at = await workspace();
  await using _ = await takeCore();
  const words = ["quickstart", "--yes", "--json", "first"];
  const { exitCode, events, stderr } = await petrify(words, { cwd: at.folder, limitMs: 600_000 });
  assert.equal(exitCode, 0, `${stderr}${JSON.stringify(events.at(-1))}`);
  const { type, value } = events.at(-1) as unknown as { type: string; value: { recipe: string; findings: unknown } };
  assert.equal(type, "result");
  const refused = "refused: Read-only file system";
  assert.deepEqual(value.findings, [
    { what: "write to /", outcome: refused, asItShouldBe: true },
    { what: "write to /usr", outcome: refused, asItShouldBe: true },
    { what: "replace /usr/bin/sh", outcome: refused, asItShouldBe: true },
    { what: "change /etc", outcome: "made", asItShouldBe: true },
    { what: "change /usr/local", outcome: "made", asItShouldBe: true },
    { what: "change /oem", outcome: "made", asItShouldBe: true },
    { what: "the change in /etc", outcome: "gone", asItShouldBe: true },
    { what: "the change in /usr/local", outcome: "kept", asItShouldBe: true },
    { what: "the change in /oem", outcome: "kept", asItShouldBe: true },
  ]);
  assert.equal(value.recipe, join(at.folder, "first/petrify.yaml"));
  assert.match(await readFile(value.recipe, "utf8"), /^name: quickstart$/m);
});
