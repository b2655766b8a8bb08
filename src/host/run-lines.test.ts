import assert from "node:assert/strict";
import { mkdtempDisposable, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { CommandError } from "./run.ts";
import { runLines } from "./run-lines.ts";

const { signal: never } = new AbortController();
async function all(script: string, signal = never): Promise<string[]> {
  const found: string[] = [];
  for await (const lines of runLines(["sh", "-c", script], signal)) found.push(...lines);
  return found;
}
const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};
async function gone(pid: number): Promise<void> {
  const until = performance.now() + 5000;
  while (!isGone(pid)) {
    assert.ok(performance.now() < until, "it is still there");
    await wait(10);
  }
}

suite("lines of a program", () => {
  test("come whole, the last one also without its end", async () => {
    assert.deepEqual(await all(String.raw`printf 'a\nb'; sleep 0.05; printf 'c\n\nd'`), ["a", "bc", "", "d"]);
    assert.deepEqual(await all("true"), []);
  });

  test("that are too long are left out", async () => {
    assert.deepEqual(await all("echo a; head -c 600000 /dev/zero | tr '\\0' x; echo; echo b"), ["a", "b"]);
    assert.deepEqual(await all("echo a; head -c 600000 /dev/zero | tr '\\0' x"), ["a"]);
  });

  test("are not read before they are taken: the program waits", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-lines-"));
    const count = join(folder.path, "count");
    const script = `for n in $(seq 20000); do printf . >>${count}; printf '%01000d\\n' 0; done`;
    const lines = runLines(["sh", "-c", script], never);
    try {
      assert.ok(!(await lines.next()).done);
      const written = async (): Promise<number> => (await stat(count)).size;
      let before = 0;
      for (let now = await written(); now > before; now = await written()) {
        before = now;
        await wait(300);
      }
      // A pipe, and what Node reads ahead.
      assert.ok(before > 1 && before < 1000, `${before} lines of 1 KB are kept`);
    } finally {
      await lines.return(undefined);
    }
  });

  test("end with their program when nobody wants more, and when the signal is aborted", async () => {
    for (const how of ["return", "abort"] as const) {
      const stop = new AbortController();
      const lines = runLines(["sh", "-c", "echo $$; sleep 100 & wait"], stop.signal);
      const { value } = (await lines.next()) as { value: readonly string[] };
      const next = how === "abort" ? lines.next() : undefined;
      if (how === "return") await lines.return(undefined);
      else stop.abort(new Error("enough"));
      await (next && assert.rejects(next, /enough/));
      await gone(Number(value[0]));
    }
  });

  test("a program that fails is told of, after its lines", async () => {
    const lines = runLines(["sh", "-c", "echo a; echo no >&2; exit 3"], never);
    assert.deepEqual(await lines.next(), { done: false, value: ["a"] });
    await assert.rejects(
      lines.next(),
      (error) => error instanceof CommandError && error.result?.exitCode === 3 && error.result.stderr === "no\n",
    );
    await assert.rejects(all("kill -9 $$"), /was killed by SIGKILL/);
    await assert.rejects(runLines(["/nowhere/program"], never).next(), { code: "COMMAND_FAILED", message: /could not be run/ });
  });
});
