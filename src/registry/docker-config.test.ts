import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { AppError } from "../core/error.ts";
import { credentialSource, parseDockerConfig, parseHelperAnswer } from "./docker-config.ts";

const SECRET = "p:ss wörd";
const auth = Buffer.from(`me:${SECRET}`).toString("base64");
const password = { from: "file", credentials: { kind: "password", user: "me", password: SECRET } } as const;
const nowhere = { from: "nowhere" } as const;

for (const [name, config, registry, expected] of [
  ["an empty config has nothing", {}, "registry.example", nowhere],
  ["an entry with user and password in base64", { auths: { "registry.example": { auth } } }, "registry.example", password],
  ["an entry of another port is another's", { auths: { "registry.example:5000": { auth } } }, "registry.example", nowhere],
  ["an entry of another host is another's", { auths: { "registry.example.org": { auth } } }, "registry.example", nowhere],
  ["an entry for a part of the registry", { auths: { "registry.example/team": { auth } } }, "registry.example", password],
  ["an entry for another part", { auths: { "registry.example/tea": { auth } } }, "registry.example", nowhere],
  ["an entry that is a URL", { auths: { "https://registry.example/v2/": { auth } } }, "registry.example", password],
  ["Docker Hub by its old name", { auths: { "https://index.docker.io/v1/": { auth } } }, "docker.io", password],
  [
    "user and password by themselves",
    { auths: { "registry.example": { username: "me", password: SECRET } } },
    "registry.example",
    password,
  ],
  [
    "a token for the token service",
    { auths: { "registry.example": { auth, identitytoken: "t" } } },
    "registry.example",
    { from: "file", credentials: { kind: "identity-token", token: "t" } },
  ],
  [
    "a token for the registry",
    { auths: { "registry.example": { registrytoken: "t" } } },
    "registry.example",
    { from: "file", credentials: { kind: "registry-token", token: "t" } },
  ],
  ["an entry that says nothing, as helpers leave it", { auths: { "registry.example": {} } }, "registry.example", nowhere],
  [
    "the registry's own helper comes first",
    { credsStore: "all", credHelpers: { "registry.example": "own" }, auths: { "registry.example": { auth } } },
    "registry.example",
    { from: "helper", program: "docker-credential-own", server: "registry.example" },
  ],
  [
    "then the store of all",
    { credsStore: "all", auths: { "registry.example": { auth } } },
    "registry.example",
    { from: "helper", program: "docker-credential-all", server: "registry.example" },
  ],
  [
    "which knows Docker Hub by its old name",
    { credsStore: "all" },
    "docker.io",
    { from: "helper", program: "docker-credential-all", server: "https://index.docker.io/v1/" },
  ],
] as const) {
  test(`credentials: ${name}`, () => {
    const parsed = parseDockerConfig(JSON.stringify(config), "config.json");
    assert.deepEqual(credentialSource(parsed, registry, "team/os", "config.json"), expected);
  });
}

test("a helper's answer is a password, or a token", () => {
  assert.deepEqual(parseHelperAnswer('{"ServerURL":"x","Username":"me","Secret":"s"}', "h"), {
    kind: "password",
    user: "me",
    password: "s",
  });
  assert.deepEqual(parseHelperAnswer('{"Username":"<token>","Secret":"s"}', "h"), { kind: "identity-token", token: "s" });
});

test("what is wrong is said, and no secret with it", () => {
  const secret = "hunter2";
  for (const [what, why] of [
    [() => parseDockerConfig(`{"auths": {"x": {"auth": "${secret}`, "config.json"), /config.json is not JSON/],
    [() => parseDockerConfig(`{"auths": {"x": "${secret}"}}`, "config.json"), /config.json auths.x/],
    [() => credentialSource({ auths: { x: { auth: btoa(secret) } } }, "x", "os", "config.json"), /no USER:PASSWORD/],
    [() => credentialSource({ credsStore: "../evil" }, "x", "os", "config.json"), /helper that is none/],
    [() => parseHelperAnswer(`no ${secret}`, "docker-credential-x"), /docker-credential-x did not answer with JSON/],
    [() => parseHelperAnswer(`{"Secret":"${secret}"}`, "docker-credential-x"), /Username and a Secret/],
  ] as const) {
    assert.throws(what, (error) => {
      assert.ok(error instanceof AppError && error.code === "CREDENTIALS_INVALID" && why.test(error.message), String(error));
      assert.ok(!JSON.stringify([error.message, error.cause, error.hint]).includes(secret));
      return true;
    });
  }
});

test("whatever a config holds is refused with an error of its own, or read", () => {
  const entry = fc.oneof(fc.string(), fc.record({ auth: fc.string(), identitytoken: fc.string() }, { requiredKeys: [] }));
  const config = fc.record(
    { auths: fc.dictionary(fc.constantFrom("r", "r/a", "https://r/v1/"), entry), credsStore: fc.string() },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        config.map((value) => JSON.stringify(value)),
      ),
      (text) => {
        try {
          credentialSource(parseDockerConfig(text, "config.json"), "r", "a/b", "config.json");
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === "CREDENTIALS_INVALID", String(error));
        }
      },
    ),
  );
});
