import assert from "node:assert/strict";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { debugContainer, type DebugEnds } from "../../client/debug-container.ts";
import { callError, openNode } from "../../client/open-node.ts";
import { serveTalks, type TalkHandler } from "../../host/unix-talk.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import type { Role } from "../../pki/identity.ts";
import { debugTalk } from "./debug-service.ts";
import { openApi } from "./open-api.ts";
import { fakeAuthority, fakeMachine, fakeStatus, noAgent } from "./testing.ts";

const HOST = "127.0.0.1";
const ours = await fakeAuthority();
const { signal } = new AbortController();
const START = { start: { image: { case: "reference", value: "tools" } } } as const;

/** What the API's own program does, with what starts containers behind it, where there is that. */
async function machine(handler?: TalkHandler, token = "t") {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-debug-api-"));
  const socket = join(folder.path, "socket");
  const { fingerprint, ...pair } = await fakeMachine();
  await using scope = new AsyncDisposableStack();
  scope.defer(async () => await folder.remove());
  if (handler) scope.use(await serveTalks({ at: socket, token: "t", idle: { ms: 1e9, end: () => {} } }, handler));
  const server = scope.use(
    await openApi({
      ...{ at: { host: HOST, port: 0 }, ...pair, authorities: ours.certificate, epoch: 0, now: secondsNow },
      answers: {
        version: "1.2.3",
        status: async () => await Promise.resolve(fakeStatus),
        operation: async function* () {},
        look: async function* () {},
      },
      ...{ ask: noAgent, log: () => {}, debug: debugTalk(socket, token) },
    }),
  );
  const kept = scope.move();
  const debug = async (role: Role = "admin", ends: Partial<DebugEnds> = {}) => {
    const person = await ours.person({ role });
    const target = { name: "edge-7", host: HOST, port: server.port, fingerprint };
    await using connection = await openNode(target, { ...person, authorities: ours.certificate }, () => {}, signal);
    const none: DebugEnds = {
      ...{ doing: () => {}, started: () => ({ [Symbol.dispose]: () => {} }), output: async () => {}, errors: async () => {} },
      ...ends,
    };
    return await debugContainer(connection, "edge-7", START, none, signal).catch((error: unknown) => {
      throw callError("edge-7", error);
    });
  };
  return { debug, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

suite("debug containers over the API", () => {
  test("are asked for by whom it was, and what is told comes back as it is", async () => {
    let by: unknown;
    await using at = await machine(async function* (heard, _signal, caller) {
      by = JSON.parse(caller!);
      for await (const value of heard) {
        assert.deepEqual(value, { start: { reference: "tools" } });
        break;
      }
      yield { started: { digest: "sha256:0" } };
      yield { output: Buffer.from("said").toString("base64"), ofALaterPetrify: 1 };
      yield { ended: { exitCode: 4, reason: "why" } };
    });
    let shown = "";
    const output = async (bytes: Uint8Array): Promise<void> =>
      await Promise.resolve(void (shown += Buffer.from(bytes).toString()));
    assert.deepEqual(await at.debug("admin", { output }), { exitCode: 4, reason: "why" });
    assert.equal(shown, "said");
    const { name, role } = by as { readonly name: string; readonly role: string };
    assert.deepEqual([name, role], ["alice", "admin"]);
  });

  for (const role of ["reader", "operator"] as const)
    test(`are not for a ${role}: nothing is asked`, async () => {
      await using at = await machine(() => assert.fail("nobody is asked"));
      await assert.rejects(at.debug(role), {
        code: "NOT_PERMITTED",
        message: new RegExp(`alice is ${role}, and this takes admin`),
      });
    });

  test("are not supported where nothing starts any, and not made where what would does not know who asks", async () => {
    await using none = await machine();
    await assert.rejects(none.debug(), { code: "DEBUG_UNSUPPORTED", hint: /systemd/ });
    await using other = await machine(() => assert.fail("nobody is heard"), "another");
    await assert.rejects(other.debug(), { code: "AGENT_UNREACHABLE" });
  });
});
