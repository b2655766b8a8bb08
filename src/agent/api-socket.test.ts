import assert from "node:assert/strict";
import { mkdtempDisposable, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { askLocally, type LocalRoutes } from "../host/unix-http.ts";
import type { AuditCaller } from "../layout/audit-log.ts";
import { encodeCaller } from "./api-caller.ts";
import { serveApiProgram } from "./api-socket.ts";

const { signal } = new AbortController();
const random = (byte: number) => (bytes: number) => new Uint8Array(bytes).fill(byte);

interface Machine {
  readonly isEnrolled: boolean;
  readonly waits?: boolean;
  readonly joins?: boolean;
}

async function desk({ isEnrolled, waits = true, joins = false }: Machine) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-api-socket-"));
  const places = { socket: join(folder.path, "socket"), token: join(folder.path, "token") };
  let enrolled = isEnrolled;
  const callers: string[] = [];
  const routes = (by: AuditCaller): LocalRoutes => ({
    "POST /rollback": async () => await Promise.resolve({ by: callers.push(by.name) }),
    "GET /status": async () => await Promise.resolve({ is: "status" }),
    "GET /operation": async () => await Promise.resolve({ is: "operation" }),
    "POST /enrol": async () => await Promise.resolve({ is: (enrolled = true) }),
    "POST /join": async () => await Promise.resolve({ is: (enrolled = true), by: callers.push(by.name) }),
    "POST /owner/renew": async () => await Promise.resolve({ by: callers.push(by.name) }),
    "POST /wipe": async () => await Promise.reject(new Error("it was wiped")),
  });
  return {
    places,
    token: async () => await readFile(places.token, "utf8"),
    serve: async (byte = 7) =>
      await serveApiProgram({
        ...{ routes, waits: () => waits, joins: () => joins, random: random(byte), places },
        enrolment: { isEnrolled: () => enrolled },
      }),
    callers,
    own: () => void (enrolled = true),
    ask: async (method: "GET" | "POST", url: string, given?: string, caller?: string) =>
      await Array.fromAsync(askLocally(places.socket, method, url, signal, undefined, given, caller)),
    [Symbol.asyncDispose]: async () => await folder.remove(),
  };
}

suite("the socket for the API's own program", () => {
  test("answers what the API asks, to who has a token that only root can read, and nothing else", async () => {
    await using at = await desk({ isEnrolled: true });
    await using _ = await at.serve();
    assert.equal((await stat(at.places.token)).mode & 0o777, 0o600);
    const token = await at.token();
    assert.deepEqual(await at.ask("GET", "/status", token), [{ is: "status" }]);
    await assert.rejects(at.ask("GET", "/status"), { code: "AGENT_UNREACHABLE" });
    for (const url of ["/wipe", "/enrol"]) await assert.rejects(at.ask("POST", url, token), { code: "NO_SUCH_CALL" });
  });

  test("tells the agent for whom the API's program asks", async () => {
    await using at = await desk({ isEnrolled: true });
    await using _ = await at.serve();
    const alice = encodeCaller({ name: "alice", role: "admin", serial: "0A", address: "::1" });
    for (const caller of [alice, "alice"]) await at.ask("POST", "/rollback", await at.token(), caller);
    assert.deepEqual(at.callers, ["alice", "somebody"]);
  });

  test("answers nothing on a machine that waits for nobody, until it is given an authority", async () => {
    await using at = await desk({ isEnrolled: false, waits: false });
    await using _ = await at.serve();
    const token = await at.token();
    for (const url of ["/enrol", "/rollback"]) await assert.rejects(at.ask("POST", url, token), { code: "NO_SUCH_CALL" });
    await assert.rejects(at.ask("GET", "/status", token), { code: "NO_SUCH_CALL" });
    at.own();
    assert.deepEqual(await at.ask("GET", "/status", token), [{ is: "status" }]);
  });

  test("lets a machine that nobody owns be given an owner, and nothing else; then it is a machine with one, and its token another", async () => {
    await using at = await desk({ isEnrolled: false });
    await using _ = await at.serve();
    const before = await at.token();
    await assert.rejects(at.ask("GET", "/operation", before), { code: "NO_SUCH_CALL" });
    await assert.rejects(at.ask("POST", "/wipe", before), { code: "NO_SUCH_CALL" });
    await writeFile(at.places.token, "x"); // what is in force is not read again
    assert.deepEqual(await at.ask("POST", "/enrol", before), [{ is: true }]);
    const after = await at.token();
    assert.match(after, /^[0-9a-f]{64}$/);
    await assert.rejects(at.ask("POST", "/enrol", after), { code: "NO_SUCH_CALL" });
    assert.deepEqual(await at.ask("GET", "/operation", after), [{ is: "operation" }]);
  });

  test("lets a machine that nobody owns join where its config has a join token, and nobody else make it theirs", async () => {
    await using at = await desk({ isEnrolled: false, waits: false, joins: true });
    await using _ = await at.serve();
    const before = await at.token();
    for (const url of ["/enrol", "/rollback", "/owner/renew"])
      await assert.rejects(at.ask("POST", url, before), { code: "NO_SUCH_CALL" });
    assert.deepEqual(await at.ask("POST", "/join", before), [{ is: true, by: 1 }]);
    await assert.rejects(at.ask("POST", "/join", await at.token()), { code: "NO_SUCH_CALL" });
    await at.ask(
      "POST",
      "/owner/renew",
      await at.token(),
      encodeCaller({ name: "alice", role: "admin", serial: "", address: "" }),
    );
    assert.deepEqual(at.callers, ["petrify-authority", "petrify-authority"], "the machine has asked for it itself");
  });

  test("lets no machine join whose config has no token", async () => {
    await using at = await desk({ isEnrolled: false });
    await using _ = await at.serve();
    await assert.rejects(at.ask("POST", "/join", await at.token()), { code: "NO_SUCH_CALL" });
  });

  test("does not know the token any more that anybody could have talked to", async () => {
    await using at = await desk({ isEnrolled: false });
    let count = 0;
    await using _ = await serveApiProgram({
      routes: () => ({
        "GET /status": async () => await Promise.resolve({}),
        "POST /enrol": async () => await Promise.resolve({}),
      }),
      ...{
        ...{ waits: () => true, joins: () => false },
        enrolment: { isEnrolled: () => false },
        random: (bytes) => new Uint8Array(bytes).fill(++count),
        places: at.places,
      },
    });
    const before = await at.token();
    await at.ask("POST", "/enrol", before);
    assert.notEqual(await at.token(), before);
    await assert.rejects(at.ask("GET", "/status", before), { code: "AGENT_UNREACHABLE" });
  });

  test("keeps its token while the agent is restarted, and makes one of a damaged one", async () => {
    await using at = await desk({ isEnrolled: true });
    await (await at.serve(7))[Symbol.asyncDispose]();
    const first = await at.token();
    await (await at.serve(9))[Symbol.asyncDispose]();
    assert.equal(await at.token(), first);
    await writeFile(at.places.token, "x");
    await (await at.serve(9))[Symbol.asyncDispose]();
    assert.equal(await at.token(), "09".repeat(32));
  });
});
