import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { AppError } from "../core/error.ts";
import { startInBackground } from "./background.ts";

const SOURCE = JSON.stringify(join(import.meta.dirname, "background.ts"));
const ERROR = JSON.stringify(join(import.meta.dirname, "../core/error.ts"));

async function start(code: string, signal = new AbortController().signal): Promise<{ said: object; log: string }> {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-background-"));
  const script = join(dir.path, "script.mjs");
  const log = join(dir.path, "log");
  await writeFile(script, `import { sayReady, sayFailed } from ${SOURCE}; import { AppError } from ${ERROR};\n${code}`);
  const said = await startInBackground([script, "one"], { env: {}, log, signal });
  return { said, log: await readFile(log, "utf8") };
}

test("what it says when it is ready is the answer, and it goes on by itself in a session of its own", async () => {
  const { said } = await start(`
    import { readFileSync } from "node:fs";
    const session = Number(readFileSync("/proc/self/stat", "utf8").split(") ")[1].split(" ")[3]);
    sayReady({ pid: process.pid, session, argument: process.argv[2] });
    setInterval(() => {}, 1000);`);
  const { pid, session, argument } = said as { pid: number; session: number; argument: string };
  try {
    assert.deepEqual([session, argument], [pid, "one"]);
    assert.doesNotThrow(() => process.kill(pid, 0));
  } finally {
    process.kill(pid, "SIGKILL");
  }
});

test("why it does not start is the error, with its hint", async () => {
  await assert.rejects(
    start(`sayFailed(new AppError("PORT_IN_USE", "the port is taken", { hint: "Choose another." }));`),
    (error) => error instanceof AppError && error.code === "PORT_IN_USE" && error.hint === "Choose another.",
  );
});

test("when it ends without a word, the error says how, and where its output is", async () => {
  await assert.rejects(
    start(`process.exit(3)`),
    (error) => error instanceof AppError && /ended with status 3/.test(error.message) && /log/.test(error.hint!),
  );
});

test("an interrupt while it starts ends it", { timeout: 60_000 }, async () => {
  await using dir = await mkdtempDisposable(join(tmpdir(), "petrify-background-"));
  const [script, log] = [join(dir.path, "script.mjs"), join(dir.path, "log")];
  await writeFile(script, `console.log(process.pid); setInterval(() => {}, 1000);`);
  const stop = new AbortController();
  const started = startInBackground([script], { env: {}, log, signal: stop.signal });
  const refused = assert.rejects(started, { code: "INTERRUPTED" });
  let pid = 0;
  while (!pid) pid = Number(await readFile(log, "utf8").catch(() => ""));
  stop.abort(new AppError("INTERRUPTED", "interrupted"));
  await refused;
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});
