import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { run } from "../host/run.ts";
import { registryContext, type RegistrySettings } from "./context.ts";

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "petrify-context-"));
  await mkdir(join(folder, ".docker"));
  await mkdir(join(folder, "bin"));
  const auth = Buffer.from("me:hunter2").toString("base64");
  await writeFile(
    join(folder, ".docker/config.json"),
    JSON.stringify({
      auths: { "registry.example": { auth } },
      credHelpers: { "helped.example": "test", "lost.example": "missing" },
    }),
  );
  const helper = join(folder, "bin/docker-credential-test");
  await writeFile(helper, '#!/bin/sh\nread -r server\nprintf \'{"Username":"%s","Secret":"%s %s"}\' "$server" "$1" "$STORE"\n');
  await chmod(helper, 0o755);
});
after(async () => await rm(folder, { recursive: true }));

const settings = (environment: Record<string, string | undefined> = {}): RegistrySettings => ({
  ...{ run, random: () => 0, now: () => 0 },
  environment: { HOME: folder, PATH: `${folder}/bin:/usr/bin:/bin`, STORE: "a store", NOTHING: undefined, ...environment },
});
const at = (registry: string) => ({ registry, repository: "team/os" });

test("credentials are where docker has them, in a file or behind a program", async () => {
  for (const [registry, environment, expected] of [
    ["registry.example", {}, { kind: "password", user: "me", password: "hunter2" }],
    ["helped.example", {}, { kind: "password", user: "helped.example", password: "get a store" }],
    ["other.example", {}, undefined],
    ["registry.example", { DOCKER_CONFIG: "/nowhere" }, undefined],
    ["registry.example", { HOME: undefined }, undefined],
    [
      "registry.example",
      { HOME: "/nowhere", REGISTRY_AUTH_FILE: () => join(folder, ".docker/config.json") },
      { kind: "password", user: "me", password: "hunter2" },
    ],
  ] as const) {
    const words = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, typeof value === "function" ? value() : value]),
    );
    using context = await registryContext(settings(words), at(registry));
    assert.deepEqual(await context.credentials(undefined), expected, registry);
  }
  using lost = await registryContext(settings(), at("lost.example"));
  await assert.rejects(lost.credentials(undefined), { code: "CREDENTIALS_UNAVAILABLE", message: /docker-credential-missing/ });
});

test("proxies are those of the settings, in small letters first", async () => {
  const asked: (string | undefined)[] = [];
  const proxy = createServer((request, response) => {
    asked.push(request.url);
    response.end();
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  try {
    for (const environment of [{ HTTP_PROXY: url }, { http_proxy: url, HTTP_PROXY: "http://127.0.0.1:1" }]) {
      using context = await registryContext(settings(environment), at("registry.invalid"));
      (await context.http({ method: "GET", url: "http://registry.invalid/v2/" })).discard();
    }
    assert.deepEqual(asked, ["http://registry.invalid/v2/", "http://registry.invalid/v2/"]);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test("a file that has no certificates is refused", async () => {
  for (const [name, why] of [
    ["none.pem", /cannot be read \(ENOENT\)/],
    [".docker/config.json", /has no certificate/],
  ] as const) {
    await assert.rejects(registryContext({ ...settings(), caFile: join(folder, name) }, at("registry.example")), {
      code: "CA_INVALID",
      message: why,
    });
  }
});
