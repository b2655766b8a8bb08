import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, link, mkdtempDisposable, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import { openNode } from "../../client/open-node.ts";
import { bundleForNode } from "../../host/bundle.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { LogService } from "../../protocol/petrify/v1/log_pb.ts";
import { askProgram } from "../api/ask-program.ts";
import { localAnswers } from "../api/local-answers.ts";
import { openApi } from "../api/open-api.ts";
import { fakeAuthority } from "../api/testing.ts";

const HOST = "127.0.0.1";
const FOLLOWERS = 200;
/** On one connection; the API lets 32 through. */
const EACH = 25;
const MESSAGE = "x".repeat(500);
const authority = await fakeAuthority();
const { signal } = new AbortController();

/** In place of journalctl: as many lines as are taken, and a byte for each of them. */
const script = (count: string): string => `#!/bin/sh
entry='{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1763844136000042","PRIORITY":"6","MESSAGE":"${MESSAGE}"}'
while :; do
  for n in 1 2 3 4 5 6 7 8 9 10; do printf '%s\\n' "$entry"; done
  printf .......... >>${count}
done
`;

const canReplacePrograms = async (): Promise<boolean> =>
  await promisify(execFile)("/usr/bin/unshare", ["--mount", "mount", "--bind", "/bin/true", "/usr/bin/journalctl"]).then(
    () => true,
    () => false,
  );

/** petrify-look as a machine has it, with a journal of our own, and the API in front of it. */
async function started() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-followers-"));
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("look.mjs"), await bundleForNode(join(import.meta.dirname, "../look-main.ts"), {}));
  await writeFile(at("token"), "t");
  await writeFile(at("journalctl"), script(at("count")));
  await chmod(at("journalctl"), 0o755);
  const listener = createServer().listen(at("listener"));
  await once(listener, "listening");
  await link(at("listener"), at("socket")); // Node removes its own when it closes it
  const { fd } = Reflect.get(listener, "_handle") as { readonly fd: number };
  const inside = `mount --bind ${at("journalctl")} /usr/bin/journalctl; export LISTEN_PID=$$; exec "$@"`;
  const node = [process.execPath, "--max-semi-space-size=1", "--max-old-space-size=96", at("look.mjs"), at("token")];
  const child = spawn("/usr/bin/unshare", ["--mount", "sh", "-ec", inside, "sh", ...node], {
    ...{
      env: { LISTEN_FDS: "1", MALLOC_ARENA_MAX: "1", PATH: process.env["PATH"] },
      stdio: ["ignore", "inherit", "inherit", fd],
    },
  });
  listener.close();
  const ended = once(child, "exit");
  const ask = askProgram(at("socket"), "t", "it");
  const machine = await authority.machine(HOST);
  const api = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...machine, authorities: authority.certificate, epoch: 0, now: secondsNow, log: () => {} },
    ask,
    answers: localAnswers(ask, ask, "1.2.3"),
  });
  const person = { ...(await authority.person({ role: "reader" })), authorities: authority.certificate };
  return {
    open: async () => await openNode({ name: "edge-7", host: HOST, port: api.port }, person, () => {}, signal),
    /** Lines that were written by all of them together. */
    written: async () => (await stat(at("count")).catch(() => ({ size: 0 }))).size,
    /** Of the program, in bytes. */
    memory: async () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${child.pid}/status`, "utf8"))![1]) * 1024,
    programs: async () =>
      (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")).trim().split(" ").filter(Boolean).length,
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      child.kill("SIGTERM");
      await ended;
      await folder.remove();
    },
  };
}

suite(
  "followers of logs",
  { skip: (await canReplacePrograms()) ? false : "this machine lets nobody replace a program for a moment" },
  () => {
    test(`${FOLLOWERS} that do not read cost what is on its way to them; others are served meanwhile, and all ends with them`, async () => {
      await using at = await started();
      const slow = new AbortController();
      const connections = await Promise.all(Array.from({ length: FOLLOWERS / EACH }, at.open));
      const followers = connections.flatMap(({ client }) =>
        Array.from({ length: EACH }, () =>
          client(LogService).logs({ follow: true }, { signal: slow.signal })[Symbol.asyncIterator](),
        ),
      );
      await Promise.all(followers.map(async (follower) => assert.ok((await follower.next()).value?.entries.length)));
      assert.equal(await at.programs(), FOLLOWERS);
      // Until nothing more is written by anyone: everybody waits for its reader.
      let before = -1;
      for (let now = await at.written(); now !== before; now = await at.written()) {
        before = now;
        await wait(1000);
      }
      const each = (before / FOLLOWERS) * MESSAGE.length;
      assert.ok(each < 3e6, `${each} bytes are on their way to each`);
      const memory = await at.memory();
      assert.ok(memory < 220e6, `it has ${memory} bytes`);
      {
        await using other = await at.open();
        let entries = 0;
        for await (const message of other.client(LogService).logs({ follow: true }))
          if ((entries += message.entries.length) > 2000) break;
      }
      slow.abort();
      await Promise.all(connections.map(async (connection) => await connection[Symbol.asyncDispose]()));
      const until = performance.now() + 10_000;
      while ((await at.programs()) > 0 && performance.now() < until) await wait(50);
      assert.equal(await at.programs(), 0, "their programs have ended with them");
    });
  },
);
