import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { AppError } from "../../core/error.ts";
import { startProgram } from "../../host/start-program.ts";
import { writeTar } from "../../host/tar-file.ts";
import { wait } from "../../host/wait.ts";
import { runOnNode } from "../node-testing.ts";
import { askSelf } from "./ask-self.ts";
import { bundleName, missingLines, openBundle } from "./bundle.ts";
import { collectParts, LIMITS } from "./collect.ts";
import { SUPPORT_PARTS, type AskMachine, type SupportPart } from "./parts.ts";

const { signal } = new AbortController();
const clock = (): number => performance.now();
const same = (error: unknown): unknown => error;

/** Files of an archive, by name. */
function unpacked(tar: Buffer): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; tar[at] !== 0;) {
    const text = (from: number, length: number): string =>
      tar.toString("latin1", at + from, at + from + length).replace(/\0[^]*$/, "");
    const size = Number.parseInt(text(124, 12), 8);
    found.set(text(0, 100), tar.toString("utf8", at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}

/** What must not be in a bundle, in the forms that it is found in. */
const SECRETS = [
  "root:$6$rounds=5000$SECRETSALT$SECREThash./:19000",
  "-----BEGIN EC PRIVATE KEY-----\nMHcSECRETSECRET\nSECRETSECRET\n-----END EC PRIVATE KEY-----",
  "cmd --password SECRETpw --token=SECRETtoken",
  "https://user:SECRETpass@registry.example/v2",
  "wpa_passphrase=SECRETwifi psk=SECRETpsk",
  "Authorization: Bearer SECRETbearer.SECRETbearer",
  '{"registry":{"password":"SECRETjson"}}',
  "eyJhbGciOiJI.eyJSECRETSECRET.SECRETsignature",
];
/** Every call answers with secrets in whatever it has. */
const careless: AskMachine = async function* (call) {
  await Promise.resolve();
  const text = SECRETS.join("\n");
  const data = Buffer.from(`${text}\n`).toString("base64");
  if (call === "SystemService.Read") return yield { data };
  if (call === "SystemService.List") return yield { entries: [{ name: "web.service", kind: "FILE_KIND_FILE" }] };
  // One line of a key is an entry of the log.
  const lines = text.split("\n").map((message) => ({ time: "2026-11-22T20:42:16Z", identifier: "app", pid: 7, message }));
  if (call === "LogService.Logs") return yield { entries: lines };
  if (call === "LogService.Dmesg") return yield { messages: lines.map(({ message }) => ({ sinceStart: "5.1s", message })) };
  if (call === "EventService.Events") return yield { events: SECRETS.map((one) => ({ text: one })) };
  yield {
    ...{
      text,
      deep: [{ text, list: text.split("\n") }],
      argv: ["app", "--password", "SECRETargument", "-x"],
      password: "SECRETfield",
    },
  };
};

suite("a bundle for a report of a fault", () => {
  test("has a file for each part, for its owner alone; no secret that a machine says is in it", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-support-"));
    const path = join(folder.path, "bundle.tar.gz");
    await using bundle = await openBundle(path, { now: 1_795_380_000, clock });
    const failing: AskMachine = (call, request, stop) => {
      if (call === "SystemService.Time") throw new AppError("CLOCK", `no clock at ${SECRETS[3]!}`);
      return careless(call, request, stop);
    };
    await bundle.collect("edge-7", failing, same, signal);
    await bundle.collect("../edge-7", careless, same, signal);
    await bundle.finish();
    const tar = gunzipSync(await readFile(path));
    const files = unpacked(tar);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const parts = SUPPORT_PARTS.map(({ file }) => file);
    const of = (node: string): string[] =>
      [...files.keys()].flatMap((name) =>
        name.startsWith(`petrify-support/${node}/`) ? [name.split("/").slice(2).join("/")] : [],
      );
    assert.deepEqual(of("edge-7").toSorted(), [...parts.filter((file) => file !== "time.json"), "index.json"].toSorted());
    assert.deepEqual(of("_.._edge-7".replace("_..", "_")).toSorted(), [...parts, "index.json"].toSorted());
    for (const [name, text] of files) {
      assert.doesNotMatch(text, /SECRET/, name);
      if (!name.endsWith("index.json")) assert.match(text, /\[removed\]/, name);
      if (name.endsWith(".json") && !name.includes("/files/")) JSON.parse(text);
      if (name.endsWith(".jsonl")) for (const line of text.trim().split("\n")) JSON.parse(line);
    }
    const index = JSON.parse(files.get("petrify-support/edge-7/index.json")!) as { parts: { file: string; error?: object }[] };
    assert.deepEqual(
      index.parts.map(({ file }) => file),
      parts,
    );
    assert.deepEqual(
      index.parts.filter(({ error }) => error).map(({ file }) => file),
      ["time.json"],
    );
  });

  test("is not there when it was not finished", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-support-"));
    const path = join(folder.path, "bundle.tar.gz");
    const stop = new AbortController();
    const stopped = (async () => {
      await using bundle = await openBundle(path, { now: 0, clock });
      const slow: AskMachine = async function* (_call, _request, end) {
        stop.abort(new Error("stopped"));
        await wait(60_000, end);
        yield {};
      };
      await bundle.collect("edge-7", slow, same, stop.signal);
    })();
    await assert.rejects(stopped, /stopped/);
    await assert.rejects(stat(path), { code: "ENOENT" });
  });

  test("that cannot be written is an error that says so, whenever it comes", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-support-"));
    await writeFile(join(folder.path, "file"), "");
    await assert.rejects(openBundle(join(folder.path, "file/x.tar.gz"), { now: 0, clock }), { code: "FILE_NOT_WRITTEN" });
    await using tar = await writeTar(join(folder.path, "x.tar.gz"), 0);
    await rm(join(folder.path, `x.tar.gz.${process.pid}.partial`));
    await tar.add("a", new Uint8Array(10));
    await assert.rejects(tar.finish(), { code: "FILE_NOT_WRITTEN" });
  });

  test("has a name that any system takes", () => {
    assert.equal(bundleName("edge-7", 1_795_380_000), "petrify-support-edge-7-20261122T204000Z.tar.gz");
    assert.equal(bundleName("../a b:7", 0), "petrify-support-.._a_b_7-19700101T000000Z.tar.gz");
  });
});

const long: SupportPart["texts"] = async function* () {
  yield await Promise.resolve({ text: "x".repeat(600) });
};

suite("a part of it", () => {
  const part = (file: string, texts: SupportPart["texts"], limitMs = 10_000): SupportPart => ({ file, limitMs, texts });
  const collect = async (parts: readonly SupportPart[], limits = LIMITS) => {
    const added = new Map<string, string>();
    const add = async (file: string, text: string): Promise<void> => await Promise.resolve(void added.set(file, text));
    const reports = await collectParts(parts, { ask: careless, add, failure: same, clock, limits }, signal);
    return { added, reports };
  };

  test("that hangs, fails or says too much costs no other", async () => {
    const { added, reports } = await collect(
      [
        part(
          "hangs",
          async function* (_ask, stop) {
            yield { text: "so far" };
            await wait(60_000, stop);
          },
          50,
        ),
        part("fails", async function* () {
          yield* await Promise.reject<{ text: string }[]>(new AppError("NOT_PERMITTED", "only admins may"));
        }),
        part("endless", async function* () {
          for (;;) yield await Promise.resolve({ text: "x".repeat(100) });
        }),
        part("good", async function* () {
          yield await Promise.resolve({ text: "all" });
        }),
      ],
      { ...LIMITS, partBytes: 1000 },
    );
    assert.deepEqual(
      [added.get("hangs"), added.get("good"), added.get("endless")?.length, added.has("fails")],
      ["so far", "all", 1000, false],
    );
    const [hangs, fails, endless, good] = reports;
    assert.equal(hangs!.error!.code, "TOO_LONG");
    assert.deepEqual(fails!.error, { code: "NOT_PERMITTED", message: "only admins may" });
    assert.deepEqual([endless!.cut, good!.cut, good!.error], [true, undefined, undefined]);
    assert.deepEqual(missingLines(reports).slice(1), ["fails: only admins may", "endless: cut off"]);
  });

  test("is not there when all of them have taken too much room, or too long", async () => {
    const { reports } = await collect([part("one", long), part("two", long)], { ...LIMITS, allBytes: 1000 });
    assert.deepEqual(
      reports.map(({ cut }) => cut),
      [undefined, true],
    );
    const slow = part("slow", async function* (_ask, stop) {
      await wait(60_000, stop);
      yield { text: "" };
    });
    const late = await collect([slow], { ...LIMITS, allMs: 20 });
    assert.equal(late.reports[0]!.error!.code, "TOO_LONG");
  });
});

test("this machine is asked by a program of its own", async () => {
  const look = [process.execPath, join(import.meta.dirname, "../../agent/look-main.ts")] as const;
  const ask = askSelf({ startProgram, look, socket: "/none" });
  const asked = async (call: string, request: object = {}): Promise<object[]> =>
    await Array.fromAsync(ask(call, request, signal));
  const [memory] = (await asked("SystemService.Memory")) as [{ total: string }];
  assert.match(memory.total, /^\d+$/);
  const read = (await asked("SystemService.Read", { path: "/proc/self/../version" }).catch(same)) as AppError;
  assert.equal(read.code, "REQUEST_INVALID");
  await assert.rejects(asked("NodeService.Status"), { code: "AGENT_UNREACHABLE" });
  const gone = askSelf({ startProgram, look: ["/none/node"] });
  await assert.rejects(Array.fromAsync(gone("SystemService.Memory", {}, signal)), { code: "LOOK_FAILED" });
});

test("petrify support on a machine packs what there is, also where nobody answers", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-support-"));
  const path = join(folder.path, "own.tar.gz");
  await writeFile(join(folder.path, "x"), "");
  const { exitCode, out } = await runOnNode(folder.path, ["support", "-o", path]);
  assert.equal(exitCode, 0);
  assert.match(out, /^without status\.json: /m);
  const files = unpacked(gunzipSync(await readFile(path)));
  assert.ok(files.has("petrify-support/machine/index.json"));
});
