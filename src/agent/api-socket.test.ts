import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { askLocally, type LocalRoutes } from "../host/unix-http.ts";
import { serveApiProgram } from "./api-socket.ts";

const { signal } = new AbortController();
const ROUTES: LocalRoutes = {
  "GET /status": async () => await Promise.resolve({ is: "status" }),
  "GET /operation": async () => await Promise.resolve({ is: "operation" }),
  "POST /wipe": async () => await Promise.reject(new Error("it was wiped")),
};

async function places() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-api-socket-"));
  const at = (name: string): string => join(folder.path, name);
  return {
    ...{ authorities: at("ca.pem"), socket: at("socket"), token: at("token") },
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}
const random = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(7);

suite("the socket for the API's own program", () => {
  test("is not there on a machine without an authority", async () => {
    await using at = await places();
    assert.equal(await serveApiProgram(ROUTES, random, at), undefined);
    await assert.rejects(stat(at.socket), { code: "ENOENT" });
    await assert.rejects(stat(at.token), { code: "ENOENT" });
  });

  test("answers what the API asks, to who has a token that only root can read, and nothing else", async () => {
    await using at = await places();
    await writeFile(at.authorities, "");
    await using server = await serveApiProgram(ROUTES, random, at);
    assert.ok(server);
    assert.equal((await stat(at.token)).mode & 0o777, 0o600);
    const token = await readFile(at.token, "utf8");
    const ask = async (method: "GET" | "POST", url: string, given?: string) =>
      await Array.fromAsync(askLocally(at.socket, method, url, signal, undefined, given));
    assert.deepEqual(await ask("GET", "/status", token), [{ is: "status" }]);
    await assert.rejects(ask("GET", "/status"), { code: "AGENT_UNREACHABLE" });
    await assert.rejects(ask("POST", "/wipe", token), { code: "NO_SUCH_CALL" });
  });

  test("keeps its token while the agent is restarted, and makes one of a damaged one", async () => {
    await using at = await places();
    await writeFile(at.authorities, "");
    await (await serveApiProgram(ROUTES, random, at))?.[Symbol.asyncDispose]();
    const first = await readFile(at.token, "utf8");
    await (await serveApiProgram(ROUTES, () => new Uint8Array(32).fill(9), at))?.[Symbol.asyncDispose]();
    assert.equal(await readFile(at.token, "utf8"), first);
    await writeFile(at.token, "x");
    await (await serveApiProgram(ROUTES, random, at))?.[Symbol.asyncDispose]();
    assert.equal(await readFile(at.token, "utf8"), first);
  });
});
