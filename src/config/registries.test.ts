import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { parseRegistries, settingFor } from "./registries.ts";

const text = `
registries:
  registry.example/team:
    mirrors: [mirror.example:5000/cache/team, http://192.0.2.2:5000]
    ca: certificates/own.pem
  registry.example: {}
  localhost:5000:
    plainHttp: true
`;

test("settings of registries say mirrors, authorities and plain HTTP, and nothing is everything's default", () => {
  assert.deepEqual(parseRegistries(text, "registries.yaml"), {
    "registry.example/team": {
      ...{ mirrors: ["mirror.example:5000/cache/team", "http://192.0.2.2:5000"], ca: "certificates/own.pem", plainHttp: false },
    },
    "registry.example": { mirrors: [], plainHttp: false },
    "localhost:5000": { mirrors: [], plainHttp: true },
  });
  for (const empty of ["", "# nothing yet\n", "{}", '{"registries": {}}'])
    assert.deepEqual(parseRegistries(empty, "registries.yaml"), {});
});

test("the longest prefix of whole parts counts, and it alone", () => {
  const settings = parseRegistries(text, "registries.yaml");
  for (const [registry, repository, prefix] of [
    ["registry.example", "team/os", "registry.example/team"],
    ["registry.example", "team", "registry.example/team"],
    ["registry.example", "teams/os", "registry.example"],
    ["localhost:5000", "a/b/c", "localhost:5000"],
    ["localhost", "a/b/c", undefined],
    ["other.example", "__proto__/os", undefined],
  ] as const)
    assert.equal(settingFor(settings, registry, repository)?.prefix, prefix, `${registry}/${repository}`);
});

for (const [name, wrong, expected] of [
  ["a key that is none", "registry: {}", /^r\.yaml:1:1: registry: is not a key/],
  ["a misspelt key", "registries:\n  a.example:\n    mirror: []", /^r\.yaml:3:5: registries → a\.example → mirror: is not a key/],
  ["a name that is none", "registries:\n  team: {}", /^r\.yaml:2:3: registries → team: must be a registry/],
  ["a scheme before a name", "registries:\n  https://a.example: {}", /must be a registry/],
  ["a mirror that is none", "registries:\n  a.example:\n    mirrors: [team]", /^r\.yaml:3:15: .*mirrors → 0: must be/],
  ["a mirror with a tag", "registries:\n  a.example:\n    mirrors: ['b.example/os:1']", /mirrors → 0: must be/],
  ["a mirror by a way that nobody speaks", "registries:\n  a.example:\n    mirrors: ['ftp://b.example']", /mirrors → 0: must be/],
  ["text in place of yes or no", "registries:\n  a.example:\n    plainHttp: 'no'", /plainHttp: .*boolean/],
  ["a list", "[]", /^r\.yaml:1:1: \(top level\): /],
  ["no YAML", "registries: [", /^r\.yaml:1:\d+: not YAML/],
  ["a key twice", "registries: {}\nregistries: {}", /not YAML/],
  ["too much", " ".repeat(300_000), /more than 256 KiB/],
] as const) {
  test(`settings with ${name} are refused, with the place`, () => {
    assert.throws(
      () => parseRegistries(wrong, "r.yaml"),
      (error: Error) => error instanceof AppError && error.code === "REGISTRIES_INVALID" && expected.test(error.message),
    );
  });
}

test("whatever the settings are, they are read or refused", () => {
  const words = fc.constantFrom(
    "registries:",
    "\n  ",
    "a.example:",
    "mirrors:",
    " [",
    "]",
    "{",
    "}",
    "ca: x",
    "&a ",
    "*a",
    "- ",
    "\n    ",
    "é",
    "\0",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.array(words).map((list) => list.join("")),
      ),
      (some) => {
        try {
          parseRegistries(some, "r.yaml");
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === "REGISTRIES_INVALID", String(error));
        }
      },
    ),
    { numRuns: 500 },
  );
});
