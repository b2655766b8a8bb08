import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:http2";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import { suite, test } from "node:test";
import { text } from "node:stream/consumers";
import { AppError } from "../../core/error.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { metricsPage } from "./metrics-page.ts";
import { openApi, type ApiOptions } from "./open-api.ts";
import type { Pages } from "./pages.ts";
import { fakeAuthority, fakeStatus, noAgent } from "./testing.ts";

const HOST = "127.0.0.1";
const ours = await fakeAuthority();
const machine = await ours.machine(HOST);
const answers: ApiOptions["answers"] = {
  version: "1.2.3",
  status: async () => await Promise.resolve(fakeStatus),
  look: async function* () {},
  operation: async function* () {},
};
const PAGES: Pages = {
  "/metrics": metricsPage(answers, { ...machine, authorities: ours.certificate }),
  "/operators": { role: "operator", type: "text/plain", text: async () => await Promise.resolve("for operators\n") },
  "/down": { role: "reader", type: "x", text: async () => await Promise.reject(new AppError("AGENT_UNREACHABLE", "it is down")) },
  "/broken": { role: "reader", type: "x", text: async () => await Promise.reject(new Error("the secret is 42")) },
};

async function serving(now: () => number = secondsNow) {
  const lines: string[] = [];
  const { certificate, key } = await ours.person({ role: "reader" });
  const own = { ...machine, authorities: ours.certificate, epoch: 0 };
  const log = (line: string): void => void lines.push(line);
  const api = await openApi({ at: { host: HOST, port: 0 }, ...own, answers, ask: noAgent, pages: PAGES, now, log });
  const options = { host: HOST, port: api.port, cert: certificate, key, ca: ours.certificate };
  return {
    lines,
    options,
    ask: async (path: string, method = "GET"): Promise<readonly [status: number | undefined, text: string, type?: string]> => {
      const call = request({ ...options, path, method, agent: false }).end();
      const [answer] = (await once(call, "response")) as [IncomingMessage];
      return [answer.statusCode, await text(answer), answer.headers["content-type"] ?? ""];
    },
    [Symbol.asyncDispose]: async () => await api[Symbol.asyncDispose](),
  };
}

suite("pages", () => {
  test("metrics, over HTTP/1.1 and HTTP/2", async () => {
    await using at = await serving();
    const [status, page, type] = await at.ask("/metrics?x=y");
    assert.deepEqual([status, type], [200, "text/plain; version=0.0.4; charset=utf-8"]);
    assert.match(page, /^petrify_info\{version="1\.2\.3",image="edge",/m);
    assert.match(page, /^petrify_memory_total_bytes \d{8,}$/m);
    const session = connect(`https://${HOST}:${at.options.port}`, at.options);
    const stream = session.request({ ":path": "/metrics" });
    assert.match(await text(stream), /^petrify_health\{state="healthy"\} 1$/m);
    session.destroy();
    assert.deepEqual(at.lines, []);
  });

  for (const [name, path, method, status, said] of [
    ["of another role", "/operators", "GET", 403, "alice is reader, and this takes operator\n"],
    ["that cannot be made now", "/down", "GET", 503, "it is down\n"],
    ["that fails, whose insides the log has", "/broken", "GET", 500, "the machine failed to answer\n"],
    ["that is asked for in another way", "/metrics", "POST", 405, "only GET\n"],
    ["that there is none of", "/constructor", "GET", 404, ""],
  ] as const) {
    test(`a page ${name}`, async () => {
      await using at = await serving();
      assert.deepEqual((await at.ask(path, method)).slice(0, 2), [status, said]);
      if (status === 403) assert.deepEqual(at.lines, ["denied to alice: /operators: alice is reader, and this takes operator"]);
      if (status === 500) assert.match(at.lines.join(), /^\/broken failed: Error: the secret is 42/);
    });
  }

  test("a certificate that has expired meanwhile counts no more", async () => {
    await using at = await serving(() => secondsNow() + 13 * 3600);
    assert.deepEqual((await at.ask("/metrics")).slice(0, 2), [401, "the certificate of alice has expired\n"]);
  });
});
