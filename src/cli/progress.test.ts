import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSeconds, jsonProgress, liveProgress, plainProgress } from "./progress.ts";

function recorder(columns = 0) {
  const written = { out: "", err: "", now: 0 };
  const sinks = {
    columns: () => columns,
    out: (text: string) => void (written.out += text),
    err: (text: string) => void (written.err += text),
  };
  return { written, sinks, clock: () => written.now };
}

test("plain progress is a line when a step starts and one with its time when it ends", async () => {
  const { written, sinks, clock } = recorder();
  const progress = plainProgress(sinks, clock);
  const result = await progress.step("pack the root", async (note) => {
    note("not shown");
    written.now = 3_210;
    return 7;
  });
  progress.note("a fact");
  assert.equal(result, 7);
  assert.equal(written.err, "… pack the root\n✓ pack the root  3.2 s\na fact\n");
});

test("a failing step is marked and its error goes on", async () => {
  const { written, sinks, clock } = recorder();
  const failing = plainProgress(sinks, clock).step("s", async () => await Promise.reject(new Error("no")));
  await assert.rejects(failing, /no/);
  assert.equal(written.err, "… s\n✗ s  0.0 s\n");
});

test("--json progress is a document at the start and one at the end", async () => {
  const { written, sinks, clock } = recorder();
  await jsonProgress(sinks, clock).step("s", async () => {
    written.now = 1_260;
  });
  assert.equal(
    written.out,
    '{"type":"progress","step":"s","state":"started"}\n{"type":"progress","step":"s","state":"done","seconds":1.3}\n',
  );
  assert.equal(written.err, "");
});

test("the live line never wraps, drops control characters and gives way to the finished step", async () => {
  const { written, sinks, clock } = recorder(30);
  const progress = liveProgress(sinks, clock);
  await progress.step("build", async (note) => {
    note(`\x1b[31mdownloading\t${"x".repeat(200)}`);
    progress.note("a fact");
    written.now = 75_000;
  });
  const drawn = written.err.split("\r\x1b[K");
  for (const line of drawn)
    assert.ok(
      line.split("\n").every((part) => part.length <= 29),
      JSON.stringify(line),
    );
  assert.match(written.err, /a fact\n/);
  assert.match(written.err, /⠙ build {2}0\.0 s {2}\[31mdownl.*…/);
  assert.equal(drawn.at(-1), "✓ build  1 min 15 s\n");
});

test("formatSeconds() fits the length", () => {
  for (const [ms, want] of [
    [0, "0.0 s"],
    [59_949, "59.9 s"],
    [60_000, "1 min 0 s"],
    [605_000, "10 min 5 s"],
  ] as const)
    assert.equal(formatSeconds(ms), want);
});
