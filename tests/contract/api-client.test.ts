import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fakeAuthority, fakeMachine, fakeStatus, noAgent } from "../../src/agent/api/testing.ts";
import { openApi } from "../../src/agent/api/open-api.ts";
import { run } from "../../src/host/run.ts";
import { secondsNow } from "../../src/host/wall-clock.ts";

const HOST = "127.0.0.1";
const EXAMPLE = join(import.meta.dirname, "../../docs/examples/api-client.ts");

test("the client that the documentation shows does what it says", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-client-"));
  const authority = await fakeAuthority();
  const { certificate, key } = await authority.person({ role: "reader" });
  for (const [name, text] of Object.entries({ "ca.pem": authority.certificate, "alice.pem": certificate, "alice.key": key }))
    await writeFile(join(folder.path, name), text);
  const { fingerprint, ...pair } = await fakeMachine();
  await using api = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...pair, authorities: authority.certificate, epoch: 0, now: secondsNow },
    answers: {
      version: "1.2.3",
      status: async () => await Promise.resolve(fakeStatus),
      operation: async function* () {
        yield await Promise.resolve({
          now: { id: "1", kind: "upgrade", at: "writing", text: "writing slot b", percent: 7 },
        } as const);
      },
      look: async function* () {},
    },
    ...{ ask: noAgent, log: () => {} },
  });
  const { stdout } = await run([process.execPath, EXAMPLE, HOST, String(api.port), fingerprint], { cwd: folder.path });
  assert.equal(stdout, "edge-7 runs edge 1.4.0\nwriting slot b: 7 %\n");
});
