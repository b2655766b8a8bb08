import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeImageFacts, parseImageFacts } from "./image-facts.ts";

const facts = { name: "edge", version: "1.2.0", created: 1_790_000_000, persistent: ["/home", "/var/log"] };
const text = encodeImageFacts(facts);

test("what the build writes is what the initrd reads", () => {
  assert.equal(text.endsWith("}\n"), true);
  assert.deepEqual(parseImageFacts(text), facts);
});

for (const init of [
  { kind: "systemd", path: "/sbin/init" },
  { kind: "openrc", path: "/sbin/init" },
] as const) {
  test(`an image says that it is started by ${init.kind}`, () => {
    assert.deepEqual(parseImageFacts(encodeImageFacts({ ...facts, init })), { ...facts, init });
  });
}

for (const init of [
  null,
  "systemd",
  {},
  { kind: "dinit", path: "/sbin/init" },
  { kind: "systemd" },
  { kind: "systemd", path: "init" },
]) {
  test(`an init that is not known, ${JSON.stringify(init)}, is passed over`, () => {
    assert.deepEqual(parseImageFacts(JSON.stringify({ ...JSON.parse(text), init })), facts);
  });
}

test("a sealed image says so; an open one, or another profile, says nothing", () => {
  assert.equal(parseImageFacts(encodeImageFacts({ ...facts, profile: "sealed" })).profile, "sealed");
  for (const profile of [undefined, "open", "other", true])
    assert.equal("profile" in parseImageFacts(JSON.stringify({ ...JSON.parse(text), profile })), false);
});

test("keys of a newer build are passed over", () => {
  assert.deepEqual(parseImageFacts(JSON.stringify({ ...JSON.parse(text), colour: "blue" })), facts);
});

for (const [what, change, message] of [
  ["another format", { format: 2 }, /has format 2, not 1/],
  ["no format", { format: undefined }, /has format undefined/],
  ["no name", { name: 7 }, /no name or no version/],
  ["a time that is text", { created: "today" }, /no time of its build/],
  ["persistent folders that are no list", { persistent: "/home" }, /no list of persistent folders/],
  ["persistent folders that are no text", { persistent: ["/home", 1] }, /no list of persistent folders/],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => parseImageFacts(JSON.stringify({ ...JSON.parse(text), ...change })), {
      code: "IMAGE_FACTS_INVALID",
      message,
    });
  });
}

for (const broken of ["", "{", "null", '"x"', "[]"]) {
  test(`${JSON.stringify(broken)} is refused`, () => {
    assert.throws(() => parseImageFacts(broken), { code: "IMAGE_FACTS_INVALID" });
  });
}
