import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { boundedApi, MOST_MEMORY } from "../../tests/support/bounded-api.ts";
import { until } from "../../tests/support/until.ts";

const HOST = "127.0.0.1";
const SLOW = 200;
/** Of them, on one connection. */
const CALLS = 20;

/** News as fast as they are taken, each of 16 KiB. */
async function* news(gone: AbortSignal): AsyncGenerator<object> {
  while (!gone.aborted) {
    yield { now: { id: "1", kind: "upgrade", at: "writing", text: "x".repeat(16_384), percent: 7 } };
    await wait(0);
  }
}

suite("the memory of petrify-api stays what it was", () => {
  test("with 1,000 connections that never speak, of which no more are kept than there may be", async () => {
    await using api = await boundedApi();
    await api.answers();
    await using scope = new AsyncDisposableStack();
    const sockets = Array.from({ length: 1000 }, (): Socket => {
      const socket = connect(api.port, HOST).on("error", () => {});
      scope.defer(() => void socket.destroy());
      return socket.resume();
    });
    const open = (): number => sockets.filter(({ closed }) => !closed).length;
    await until(() => open() <= 256);
    assert.ok(open() <= 256, `${open()} are open`);
    const most = await api.memory();
    assert.ok(most < MOST_MEMORY, `${most} MB`);
    for (const socket of sockets) socket.destroy();
    let failed: unknown;
    await until(async () => {
      failed = await api.answers().then(
        () => undefined,
        (error: unknown) => error,
      );
      return failed === undefined;
    });
    assert.ifError(failed);
  });

  test(`with ${SLOW} followers that read nothing of what they have asked for`, async () => {
    await using api = await boundedApi({ "GET /operation": news });
    await using scope = new AsyncDisposableStack();
    const path = "/petrify.v1.NodeService/FollowOperation";
    const body = Buffer.from([0, 0, 0, 0, 2, ...Buffer.from("{}")]);
    const headers = { ":method": "POST", ":path": path, "content-type": "application/connect+json" };
    for (let number = 0; number < SLOW; number += CALLS) {
      const session = connectHttp2(`https://${HOST}:${api.port}`, api.tls);
      scope.defer(() => session.destroy());
      session.on("error", () => {});
      const answered = async (): Promise<void> => {
        const stream = session.request(headers).on("error", () => {});
        stream.end(body);
        const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
        assert.equal(answer[":status"], 200);
      };
      await Promise.all(Array.from({ length: CALLS }, answered));
    }
    const sizes: number[] = [];
    for (let round = 0; round < 5; round++) {
      await wait(1000);
      sizes.push(Math.round(await api.memory()));
    }
    assert.ok(Math.max(...sizes) < MOST_MEMORY, `${sizes.join(", ")} MB`);
    await api.answers();
  });
});
