import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { suite, test } from "node:test";
import { desk } from "../../../tests/support/desk.ts";
import type { DebugTalk } from "../../agent/api/debug-service.ts";
import { AppError } from "../../core/error.ts";
import { escapeKeys } from "./escape-keys.ts";

type Said = Readonly<Record<string, unknown>>;
const base64 = (text: string): string => Buffer.from(text).toString("base64");
const text = (value: unknown): string => Buffer.from(String(value), "base64").toString();

/** Somebody who may call a machine with such containers. */
async function oneMachine(debug: DebugTalk) {
  const at = await desk({ "edge-7": () => assert.fail("nothing else is asked") }, undefined, debug);
  const debugs = async (
    args: readonly string[],
    { typed, tty = false }: { readonly typed?: PassThrough; readonly tty?: boolean } = {},
  ) => {
    const shown: Buffer[] = [];
    const modes: boolean[] = [];
    const output = Object.assign(new PassThrough(), { isTTY: tty, columns: 100, rows: 40 });
    output.on("data", (bytes: Buffer) => shown.push(bytes));
    const input = Object.assign(typed ?? new PassThrough().end(), { isTTY: tty, setRawMode: (on: boolean) => modes.push(on) });
    const ran = await at.petrify(["-n", "edge-7", "debug", ...args], { input, output });
    return { ...ran, output, modes, shown: Buffer.concat(shown).toString() };
  };
  return { ...at, debugs };
}
suite("petrify -n NODE debug", () => {
  test("asks for what the options say, as an admin, shows what comes, and ends as the program does", async () => {
    const asked: Said[] = [];
    await using at = await oneMachine(async function* (said, caller) {
      assert.deepEqual([caller.name, caller.role], ["jo", "admin"]);
      for await (const message of said) {
        asked.push(message as Said);
        break;
      }
      yield { started: { digest: "sha256:0" } };
      yield { output: base64("said\n") };
      yield { errors: base64("wrong\n") };
      yield { ended: { exitCode: 3 } };
    });
    const found = await at.debugs([
      "registry.example/tools:1",
      "--rights",
      "network,files",
      "--duration",
      "5min",
      "--",
      "ss",
      "-tlnp",
      "-n",
      "x",
    ]);
    assert.deepEqual([found.exitCode, found.shown, found.err], [3, "said\n", "wrong\n"]);
    assert.deepEqual(asked, [
      {
        start: {
          ...{ reference: "registry.example/tools:1", rights: ["DEBUG_RIGHT_NETWORK", "DEBUG_RIGHT_FILES"] },
          ...{ command: ["ss", "-tlnp", "-n", "x"], duration: "300s" },
        },
      },
    ]);
    const json = await at.debugs(["registry.example/tools:1", "--json"]);
    assert.deepEqual(
      json.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
      [
        { type: "output", text: "said\n" },
        { type: "errors", text: "wrong\n" },
        { type: "result", value: { digest: "sha256:0", exitCode: 3, reason: "" } },
      ],
    );
  });

  test("sends an archive that is here, and what is read, to its end", async () => {
    const asked: Said[] = [];
    await using at = await oneMachine(async function* (said) {
      const parts = said[Symbol.asyncIterator]();
      for (let next = await parts.next(); !next.done; next = await parts.next()) {
        asked.push(next.value as Said);
        if ("archiveEnd" in next.value) yield { started: { digest: "sha256:0" } };
        if ("inputEnd" in next.value) break;
      }
      yield { ended: {} };
    });
    const bytes = "x".repeat(100_000);
    await writeFile(join(at.cwd, "tools.tar"), bytes);
    const typed = new PassThrough();
    typed.end("typed");
    assert.equal((await at.debugs(["./tools.tar"], { typed })).exitCode, 0);
    assert.deepEqual(asked[0], { start: { archive: {} } });
    assert.equal(asked.map(({ archive }) => (archive === undefined ? "" : text(archive))).join(""), bytes);
    assert.equal(asked.map(({ input }) => (input === undefined ? "" : text(input))).join(""), "typed");
    const missing = await at.debugs(["./nothing.tar"]);
    assert.deepEqual([missing.exitCode, /nothing\.tar is no file/.test(missing.err)], [1, true]);
  });

  test("is a terminal where there is one: every key, its size; it is as it was at the end", async () => {
    const asked: Said[] = [];
    const typed = new PassThrough();
    await using at = await oneMachine(async function* (said) {
      const parts = said[Symbol.asyncIterator]();
      for (let next = await parts.next(); !next.done; next = await parts.next()) {
        asked.push(next.value as Said);
        if ("start" in next.value) {
          yield { started: { digest: "sha256:0" } };
          typed.write("\u0003x");
        }
        if ("input" in next.value) break;
      }
      yield { output: base64("\u001b[1mbold\r\n") };
      yield { ended: {} };
    });
    const found = await at.debugs(["tools"], { typed, tty: true });
    assert.deepEqual([found.exitCode, found.shown, found.modes], [0, "\u001b[1mbold\r\n", [true, false]]);
    assert.deepEqual((asked[0]!["start"] as Said)["terminal"], { kind: "dumb", window: { columns: 100, rows: 40 } });
    assert.equal(text(asked.at(-1)!["input"]), "\u0003x");
    assert.deepEqual(asked[1], { window: { columns: 100, rows: 40 } });
  });

  test("is ended by Ctrl-] three times, and gives the terminal back", async () => {
    const typed = new PassThrough();
    const gone = Promise.withResolvers<void>();
    await using at = await oneMachine(async function* (_said, _caller, signal) {
      yield { started: { digest: "sha256:0" } };
      setTimeout(() => typed.write("\u001d\u001d\u001d"), 100);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      gone.resolve();
    });
    const found = await at.debugs(["tools"], { typed, tty: true });
    assert.deepEqual([found.exitCode, found.modes], [1, [true, false]]);
    assert.match(found.err, /the container was ended from here/);
    await gone.promise;
  });

  test("says why there is none", async () => {
    await using at = await oneMachine(async function* () {
      yield* await Promise.reject<object[]>(new AppError("DEBUG_UNSUPPORTED", "not supported here", { hint: "Another image." }));
    });
    const found = await at.debugs(["tools"]);
    assert.deepEqual([found.exitCode, found.err], [1, "error: not supported here\nhint: Another image.\n"]);
    for (const args of [["tools", "--rights", "network,root"], ["tools", "--duration", "13h"], []])
      assert.equal((await at.debugs(args)).exitCode, 2);
    assert.equal((await at.petrify(["--all", "debug", "tools"])).exitCode, 2);
  });
});

test("three times Ctrl-] within a second ends it, with nothing in between", () => {
  let now = 0;
  const isEscape = escapeKeys(() => now);
  const keys = (typed: string, after = 0): boolean => {
    now += after;
    return isEscape(Buffer.from(typed));
  };
  assert.deepEqual(
    [keys("a\u001d"), keys("\u001d"), keys("b"), keys("\u001d\u001d"), keys("\u001d", 500)],
    [false, false, false, false, true],
  );
  const late = escapeKeys(() => (now += 600));
  assert.deepEqual(
    ["\u001d", "\u001d", "\u001d", "\u001d"].map((key) => late(Buffer.from(key))),
    [false, false, false, false],
  );
});
