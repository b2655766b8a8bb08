import assert from "node:assert/strict";
import { mkdtempDisposable, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { TOKEN } from "../../../tests/support/api-program.ts";
import { canReplacePrograms, startLook } from "../../../tests/support/look-program.ts";
import { until } from "../../../tests/support/until.ts";
import { openNode } from "../../client/open-node.ts";
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

/** petrify-look with a journal of our own, and the API in front of it. */
async function started() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-followers-"));
  const count = join(folder.path, "count");
  const look = await startLook(script(count));
  const ask = askProgram(look.socket, TOKEN, "it");
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
    written: async () => (await stat(count).catch(() => ({ size: 0 }))).size,
    ...{ memory: look.memory, programs: look.programs },
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await look[Symbol.asyncDispose]();
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
      assert.ok(memory < 300e6, `it has ${memory} bytes`);
      {
        await using other = await at.open();
        let entries = 0;
        for await (const message of other.client(LogService).logs({ follow: true }))
          if ((entries += message.entries.length) > 2000) break;
      }
      slow.abort();
      await Promise.all(connections.map(async (connection) => await connection[Symbol.asyncDispose]()));
      await until(async () => (await at.programs()) === 0);
      assert.equal(await at.programs(), 0, "their programs have ended with them");
    });
  },
);
