import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { fetchText } from "./fetch-text.ts";
import { useProxies } from "./use-proxies.ts";

const never = new AbortController().signal;

test("what is fetched goes by way of the proxy, but for hosts that are never asked through one", async () => {
  const asked: string[] = [];
  await using server = createServer((request, response) => {
    asked.push(request.url!);
    response.end("text");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const proxy = `http://127.0.0.1:${port}`;
  for (const [environment, direct, isThrough] of [
    [{ http_proxy: proxy }, [], true],
    [{ HTTP_PROXY: proxy }, [], true],
    [{ http_proxy: proxy, HTTP_PROXY: "http://127.0.0.1:1" }, [], true],
    [{ http_proxy: proxy, no_proxy: "a.example" }, ["127.0.0.1"], false],
    [{ http_proxy: proxy, no_proxy: "127.0.0.1,a.example" }, [], false],
    [{}, ["169.254.169.254"], false],
  ] as const) {
    useProxies(environment, direct);
    const url = `${proxy}/config`;
    assert.equal(await fetchText(url, 100, never), "text");
    assert.equal(asked.pop(), isThrough ? url : "/config");
  }
  useProxies({ http_proxy: proxy, no_proxy: "127.0.0.1" }, []);
  assert.equal(await fetchText("http://config.example/a", 100, never), "text", "a name that only the proxy knows");
  assert.equal(asked.pop(), "http://config.example/a");
  server.closeAllConnections();
});
