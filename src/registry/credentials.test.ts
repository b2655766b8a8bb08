import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandError, type Run } from "../host/run.ts";
import { dockerCredentials } from "./credentials.ts";

const CONFIG = JSON.stringify({ credHelpers: { "registry.example": "store" } });
const context = (run: Run, text: string | undefined = CONFIG) => ({
  ...{ config: "/home/me/.docker/config.json", read: async () => text, run, env: { HOME: "/home/me" } },
});
const answering =
  (exitCode: number, stdout: string): Run =>
  async () => ({ exitCode, stdout, stderr: "" });

test("a helper is asked on its standard input, and nothing of it is in its arguments", async () => {
  const calls: unknown[] = [];
  const run: Run = async (argv, options) => {
    calls.push([argv, options?.stdin, options?.env]);
    return { exitCode: 0, stdout: '{"Username":"me","Secret":"s"}', stderr: "" };
  };
  assert.deepEqual(await dockerCredentials(context(run), "registry.example", "os"), {
    kind: "password",
    user: "me",
    password: "s",
  });
  assert.deepEqual(calls, [[["docker-credential-store", "get"], "registry.example", { HOME: "/home/me" }]]);
});

test("without a config, or an entry, or something in the store there are none", async () => {
  const never: Run = async () => assert.fail("nothing is to be run");
  assert.equal(await dockerCredentials({ ...context(never), read: async () => undefined }, "registry.example", "os"), undefined);
  assert.equal(await dockerCredentials(context(never), "other.example", "os"), undefined);
  const empty = answering(1, "credentials not found in native keychain\n");
  assert.equal(await dockerCredentials(context(empty), "registry.example", "os"), undefined);
});

test("a helper that fails is named, and what it printed is not repeated", async () => {
  const fails: readonly Run[] = [
    answering(1, "hunter2"),
    async (argv) => {
      throw new CommandError(argv, "exited with status 3", { exitCode: 3, stdout: "hunter2", stderr: "hunter2" });
    },
  ];
  for (const run of fails) {
    await assert.rejects(dockerCredentials(context(run), "registry.example", "os"), (error: Error & { code?: string }) => {
      assert.equal(error.code, "CREDENTIALS_UNAVAILABLE");
      assert.match(error.message, /docker-credential-store.*registry.example/);
      assert.ok(!JSON.stringify([error, error.message, error.cause]).includes("hunter2"));
      return true;
    });
  }
});
