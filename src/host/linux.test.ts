import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "./run.ts";

/** SCHED_IDLE and IOPRIO_CLASS_IDLE. Source: linux/sched.h, linux/ioprio.h */
const IDLE = "5 3";
/** Threads that a program reads files with, and the one that it computes in, each with its policy and its class of priority at the disk. */
const PROGRAM = `
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dlopen } from "node:ffi";
import { beIdle } from ${JSON.stringify(new URL("linux.ts", import.meta.url))};
if (process.argv[1] === "idle") beIdle();
await readFile("/proc/self/status");
const { syscall } = dlopen("libc.so.6", { syscall: { arguments: ["i64", "i64", "i64", "i64"], return: "i32" } }).functions;
for (const thread of readdirSync("/proc/self/task")) {
  const name = readFileSync("/proc/self/task/" + thread + "/comm", "utf8").trim();
  const fields = readFileSync("/proc/self/task/" + thread + "/stat", "utf8").split(") ").at(-1).split(" ");
  if (/^node-Main|^libuv/.test(name)) console.log(name, fields[38], syscall(252n, 1n, BigInt(thread), 0n) >> 13);
}`;

test("a process that is idle yields with what it reads as well: at the processor and at the disk", async () => {
  const threads = async (...args: string[]): Promise<string[]> => {
    const argv = [process.execPath, "--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", PROGRAM] as const;
    return (await run([...argv, ...args])).stdout.trim().split("\n");
  };
  const idle = await threads("idle");
  assert.ok(idle.length >= 2 && idle.some((line) => line.startsWith("libuv")), idle.join());
  for (const line of idle) assert.ok(line.endsWith(` ${IDLE}`), line);
  for (const line of await threads()) assert.ok(!line.endsWith(` ${IDLE}`), line);
});
