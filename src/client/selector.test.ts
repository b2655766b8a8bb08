import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { changeLabels, labelsText, parseLabels, parseSelector } from "./selector.ts";

const LABELS = { site: "berlin", ring: "canary", empty: "", "example.org/role": "till" };

suite("a selector", () => {
  for (const [text, chosen] of [
    ["site=berlin", true],
    ["site==berlin", true],
    [" site = berlin , ring = canary ", true],
    ["site=paris", false],
    ["site=berlin,ring=stable", false],
    ["site!=paris", true],
    ["site!=berlin", false],
    ["zone!=a", true],
    ["site", true],
    ["zone", false],
    ["!zone", true],
    ["!site", false],
    ["empty=", true],
    ["site=", false],
    ["zone=", false],
    ["example.org/role=till", true],
    ["constructor", false],
  ] as const) {
    test(`${JSON.stringify(text)} ${chosen ? "chooses" : "does not choose"}`, () =>
      assert.equal(parseSelector(text)(LABELS), chosen));
  }

  for (const text of [
    "",
    ",",
    "site=berlin,",
    "=berlin",
    "!",
    "!=x",
    "site=a=b",
    "a b",
    "!site=x",
    "site in (a)",
    "-a",
    "/a",
    "a".repeat(64),
  ]) {
    test(`is not ${JSON.stringify(text)}`, () => assert.throws(() => parseSelector(text), { code: "SELECTOR_INVALID" }));
  }
});

suite("labels", () => {
  test("are set and taken away, and stay in order", () => {
    const change = parseLabels(["site=berlin", "a=", "old-", "b-c=d"]);
    assert.deepEqual(change, { set: { site: "berlin", a: "", "b-c": "d" }, remove: ["old"] });
    const after = changeLabels({ z: "1", old: "x" }, change);
    assert.equal(labelsText(after), "a=,b-c=d,site=berlin,z=1");
    assert.equal(changeLabels(after, parseLabels(["a-", "b-c-", "site-", "z-"])), undefined);
  });

  for (const words of [
    ["site"],
    ["=x"],
    ["-"],
    ["a b=c"],
    ["a=b c"],
    ["a=b", "a="],
    ["a=b", "a-"],
    ["__proto__=x"],
    [`a=${"b".repeat(64)}`],
  ]) {
    test(`are not ${JSON.stringify(words)}`, () => assert.throws(() => parseLabels(words), { code: "LABEL_INVALID" }));
  }
});
