import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../../core/error.ts";
import {
  applyRequest,
  checkRequest,
  configDiffRequest,
  configRollbackRequest,
  configSourcesRequest,
  resetRequest,
  restartRequest,
  rollbackRequest,
  upgradeRequest,
} from "./wire.ts";

const source = { is: "file", path: "/x.img" } as const;

test("what is left out has its usual value", () => {
  assert.deepEqual(upgradeRequest({ source }), { source, recovery: false, restart: true, force: false, told: [] });
  const reference = "registry.example/edge:1.0";
  const release = { source: { is: "registry", reference }, told: ["older"] };
  assert.deepEqual(upgradeRequest(release), { ...release, recovery: false, restart: true, force: false });
  assert.deepEqual(rollbackRequest(undefined), { restart: true });
  assert.deepEqual(restartRequest({}), { into: undefined });
  assert.deepEqual(restartRequest({ into: "recovery" }), { into: "recovery" });
  assert.deepEqual(resetRequest({}), { keep: [], erase: false, after: "reboot" });
  assert.deepEqual(resetRequest({ keep: ["identity", "config", "config"], erase: true, after: "poweroff" }), {
    ...{ keep: ["config", "identity"], erase: true, after: "poweroff" },
  });
  const { told: _, ...checked } = { ...checkRequest({ source, told: ["older"] }) };
  assert.deepEqual(checked, { source });
  assert.deepEqual(checkRequest({ source, told: ["older", "older"] }).told, ["older"]);
});

for (const [what, body] of [
  ["an unknown key", { source, sauce: 1 }],
  ["a relative path", { source: { is: "file", path: "x.img" } }],
  ["another protocol", { source: { is: "url", url: "ftp://x.example/y" } }],
  ["the recovery image, which only the agent names", { source: { is: "recovery" } }],
  ["a word in place of true or false", { source, force: "yes" }],
  ["a registry that is none", { source: { is: "registry", reference: "X/y:1" } }],
  ["a folder of images without its whole path", { source: { is: "registry", reference: "oci:x" } }],
  ["to pass over signatures", { source, told: ["unsigned"] }],
  ["no object", []],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => upgradeRequest(body), { code: "REQUEST_INVALID" });
  });
}

test("a request about the machine config is what it says, and auto where it does not say how", () => {
  const documents = [{ origin: "a.yaml", text: "#cloud-config\n" }];
  assert.deepEqual(applyRequest({ documents, mode: "try" }), { documents, mode: "try" });
  assert.deepEqual(applyRequest(undefined), { mode: "auto" });
  assert.deepEqual(configRollbackRequest({ to: 3 }), { to: 3, mode: "auto" });
  assert.deepEqual(configDiffRequest({ from: 2 }), { from: 2 });
  assert.deepEqual([configSourcesRequest(undefined), configSourcesRequest({ local: true })], [{ local: false }, { local: true }]);
});

for (const [what, parse, body] of [
  ["in another mode", applyRequest, { mode: "now" }],
  ["without a document in its list", applyRequest, { documents: [] }],
  ["with a document that is no text", applyRequest, { documents: [{ origin: "a", text: 5 }] }],
  ["with more of a document than it has", applyRequest, { documents: [{ origin: "a", text: "", path: "/etc" }] }],
  ["to a generation that is no number", configRollbackRequest, { to: "3" }],
  ["to look with what is neither true nor false", configSourcesRequest, { local: "yes" }],
  ["from no generation", configDiffRequest, { from: 0 }],
] as const) {
  test(`a request about the machine config ${what} is refused`, () => {
    assert.throws(() => parse(body), { code: "REQUEST_INVALID" });
  });
}

for (const [what, body] of [
  ["to keep something else", { keep: ["everything"] }],
  ["to keep no list", { keep: "data" }],
  ["to halt afterwards", { after: "halt" }],
] as const) {
  test(`a reset that is ${what} is refused`, () => {
    assert.throws(() => resetRequest(body), { code: "REQUEST_INVALID" });
  });
}

const named = fc.record({ source: fc.record({ is: fc.constant("registry"), reference: fc.string() }) });
test("whatever is sent is understood or refused", () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), named), (body) => {
      for (const parse of [upgradeRequest, checkRequest, rollbackRequest, restartRequest, resetRequest]) {
        try {
          parse(body);
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === "REQUEST_INVALID");
        }
      }
    }),
  );
});
