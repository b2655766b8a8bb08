import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite, test } from "node:test";
import { GIVE_BACK } from "../agent/enrolment.ts";
import { AGENT_SOCKET } from "../agent/status.ts";
import { serveLocally } from "../host/unix-http.ts";
import { runOnNode } from "./node-testing.ts";

const TOKEN = "0AB1-CDEF-GHJK-MNPQ-RSTV-WXYZ";
const ENROL = ["enrol", "--recovery-token"];

async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-enrol-"));
  const socket = join(folder.path, AGENT_SOCKET);
  await mkdir(dirname(socket), { recursive: true });
  const asked: object[] = [];
  const server = await serveLocally(socket, {
    [GIVE_BACK]: async (_signal, body) => {
      asked.push(body as object);
      return await Promise.resolve({ waits: !("authorities" in (body as object)), fingerprint: "SHA256:x" });
    },
  });
  return {
    ...{ root: folder.path, asked },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

suite("petrify enrol --recovery-token", () => {
  test("asks for the token, and shows none of it", async () => {
    await using at = await desk();
    const { exitCode, out, err } = await runOnNode(at.root, ENROL, { typed: `${TOKEN}\n` });
    assert.equal(exitCode, 0, err);
    assert.match(out, /waits for an owner that has its recovery token[^]*SHA256:x/);
    assert.equal(err, "Recovery token: \n");
    assert.deepEqual(at.asked, [{ recoveryToken: TOKEN }]);
  });

  test("takes the token from its input where that is no terminal, and hands over the next owner's authority", async () => {
    await using at = await desk();
    const authority = join(at.root, "ca.pem");
    await writeFile(authority, "PEM");
    const { out } = await runOnNode(at.root, [...ENROL, "--authority", authority, "--json"], { piped: `${TOKEN}\n` });
    assert.deepEqual(JSON.parse(out), { type: "result", value: { waits: false, fingerprint: "SHA256:x" } });
    assert.deepEqual(at.asked, [{ recoveryToken: TOKEN, authorities: "PEM" }]);
  });

  for (const [name, args, piped, code] of [
    ["without a token", ENROL, "\n", "RECOVERY_TOKEN_NEEDED"],
    ["at the end of its input", ENROL, "", "RECOVERY_TOKEN_NEEDED"],
    ["with an authority that is not there", [...ENROL, "--authority", "/none"], TOKEN, "FILE_UNREADABLE"],
    ["without saying how", ["enrol"], TOKEN, "USAGE"],
  ] as const) {
    test(`asks the agent for nothing ${name}`, async () => {
      await using at = await desk();
      const { out } = await runOnNode(at.root, [...args, "--json"], { piped });
      assert.equal((JSON.parse(out) as { code: string }).code, code);
      assert.deepEqual(at.asked, []);
    });
  }
});
