import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  addContext,
  contextOf,
  encodeContexts,
  forgetNode,
  knowNode,
  NO_CONTEXTS,
  nodeOf,
  parseContexts,
  removeContext,
  useContext,
  type Context,
} from "./contexts.ts";

const PEM = "-----BEGIN CERTIFICATE-----\n";
const KEY = `SHA256:${"A".repeat(43)}`;
const CONTEXT: Context = { authorities: PEM, credentials: { secrets: "/s", user: "jo", role: "admin" }, nodes: {} };

suite("the address of a machine", () => {
  for (const [text, host, port] of [
    ["edge-7", "edge-7", 50_000],
    ["edge-7.example:1234", "edge-7.example", 1234],
    ["192.0.2.7", "192.0.2.7", 50_000],
    ["192.0.2.7:1", "192.0.2.7", 1],
    ["fd00::7", "fd00::7", 50_000],
    ["[fd00::7]", "fd00::7", 50_000],
    ["[fd00::7]:65535", "fd00::7", 65_535],
    ["::1", "::1", 50_000],
  ] as const) {
    test(`${text} is ${host} at port ${port}`, () => assert.deepEqual(nodeOf(CONTEXT, text), { name: text, host, port }));
  }
  for (const text of ["", ":1", "a:", "a:0", "a:65536", "a b", "-a", "[fd00::7", "https://a", "a/b", "[a]:1"]) {
    test(`is not ${JSON.stringify(text)}`, () => assert.throws(() => nodeOf(CONTEXT, text), { code: "ADDRESS_INVALID" }));
  }
  test("is the one that the context knows by the name", () => {
    const context: Context = { ...CONTEXT, nodes: { "edge-7": { address: "192.0.2.7:9", key: KEY }, "edge-8": { key: KEY } } };
    assert.deepEqual(nodeOf(context, "edge-7"), { name: "edge-7", host: "192.0.2.7", port: 9, fingerprint: KEY });
    assert.deepEqual(nodeOf(context, "edge-8"), { name: "edge-8", host: "edge-8", port: 50_000, fingerprint: KEY });
    assert.deepEqual(nodeOf(context, "constructor"), { name: "constructor", host: "constructor", port: 50_000 });
  });
});

suite("contexts", () => {
  const two = addContext(addContext(NO_CONTEXTS, "one", CONTEXT), "two", CONTEXT);

  test("are read as they were written", () => assert.deepEqual(parseContexts(encodeContexts(two), "f"), two));

  test("the first one is in use, until another one is, or it is removed", () => {
    assert.equal(two.current, "one");
    assert.equal(useContext(two, "two").current, "two");
    assert.equal(useContext(two, "one"), two, "nothing is to be written");
    assert.equal(removeContext(two, "two").current, "one");
    assert.equal(removeContext(two, "one").current, undefined);
    assert.throws(() => contextOf(removeContext(two, "one")), { code: "NO_CONTEXT", hint: "petrify context use two" });
    for (const change of [useContext, removeContext]) assert.throws(() => change(two, "toString"), { code: "NO_CONTEXT" });
  });

  test("remember a machine's key; where it is reached stays when the key changes", () => {
    const pinned = knowNode(two, undefined, "edge-7", { key: KEY, address: "192.0.2.7" });
    assert.deepEqual(pinned.contexts["one"]?.nodes, { "edge-7": { address: "192.0.2.7", key: KEY } });
    assert.equal(knowNode(pinned, "one", "edge-7", { key: KEY }), pinned);
    const other = `SHA256:${"B".repeat(43)}`;
    assert.deepEqual(knowNode(pinned, "one", "edge-7", { key: other }).contexts["one"]?.nodes, {
      "edge-7": { address: "192.0.2.7", key: other },
    });
    assert.throws(() => knowNode(two, "one", "edge-7", { key: "SHA256:short" }), { code: "FINGERPRINT_INVALID" });
    assert.throws(() => knowNode(two, "one", "edge-7", { key: KEY, address: "a b" }), { code: "ADDRESS_INVALID" });
    assert.throws(() => knowNode(two, "one", "a,b", { key: KEY }), { code: "CONTEXT_NAME_INVALID" });
  });

  test("remember a machine's labels beside its key, and forget all of it", () => {
    const labels = { set: { site: "berlin", ring: "canary" }, remove: [] };
    const known = knowNode(knowNode(two, "one", "edge-7", { labels }), "one", "edge-7", { key: KEY });
    assert.deepEqual(known.contexts["one"]?.nodes, { "edge-7": { key: KEY, labels: { ring: "canary", site: "berlin" } } });
    assert.deepEqual(parseContexts(encodeContexts(known), "f"), known);
    assert.equal(knowNode(known, "one", "edge-7", { labels }), known, "nothing is to be written");
    const without = knowNode(known, "one", "edge-7", { labels: { set: {}, remove: ["site", "ring"] } });
    assert.deepEqual(without.contexts["one"]?.nodes, { "edge-7": { key: KEY } });
    assert.deepEqual(knowNode(two, "one", "edge-7", {}).contexts["one"]?.nodes, { "edge-7": {} }, "a name alone");
    assert.deepEqual(forgetNode(known, "one", "edge-7").contexts["one"]?.nodes, {});
    for (const name of ["edge-8", "constructor"]) assert.throws(() => forgetNode(known, "one", name), { code: "NO_NODE" });
  });
});
