import assert from "node:assert/strict";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { fakeAuthority, fakeStatus, noAgent, type Pair } from "../../src/agent/api/testing.ts";
import { openApi } from "../../src/agent/api/open-api.ts";
import { secondsNow } from "../../src/host/wall-clock.ts";
import { testTools } from "../support/tools.ts";

const HOST = "127.0.0.1";
const full = process.env["PETRIFY_TEST"] === "full";

/** A client of Debian's that has never seen the contract. */
async function desk(pair?: Partial<Pair>) {
  const tools = await testTools("grpc");
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-grpc-"));
  const authority = await fakeAuthority();
  const person = { ...(await authority.person({ role: "reader" })), ...pair };
  const files = { ca: authority.certificate, certificate: person.certificate, key: person.key };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text);
  const lines: string[] = [];
  const server = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...(await authority.machine(HOST)), authorities: authority.certificate, epoch: 0 },
    ...{ now: secondsNow, log: (line) => lines.push(line), ask: noAgent },
    answers: {
      version: "1.2.3",
      status: async () => await Promise.resolve(fakeStatus),
      look: async function* () {},
      operation: async function* () {},
    },
  });
  const script = join(import.meta.dirname, "../support");
  return {
    lines,
    ask: async (...methods: string[]): Promise<unknown[]> => {
      const paths = Object.keys(files).map((name) => join(folder.path, name));
      const { stdout } = await tools.run(
        ["python3", join(script, "grpc-client.py"), `${HOST}:${server.port}`, ...paths, ...methods],
        {
          ...{ binds: [{ source: folder.path }, { source: script }], network: true },
        },
      );
      return stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

suite("python3-grpcio", { skip: !full && "a tree of its own: only in full runs" }, () => {
  test("learns the contract from the machine, and calls it", async () => {
    await using at = await desk();
    const [version, status] = await at.ask("petrify.v1.NodeService/Version", "petrify.v1.NodeService/Status");
    assert.deepEqual(version, {
      version: "1.2.3",
      machine: { id: "9b4e", hostname: "edge-7" },
      image: { name: "edge", version: "1.4.0" },
    });
    assert.equal((status as { readonly running: string }).running, "BOOT_TARGET_A");
    assert.deepEqual(at.lines, []);
  });

  test("is cut off with a certificate of somebody else", async () => {
    await using at = await desk(await (await fakeAuthority()).person());
    assert.deepEqual(
      (await at.ask("petrify.v1.NodeService/Version")).map((answer) => (answer as { code: string }).code),
      ["UNAVAILABLE"],
    );
    assert.match(at.lines.join("\n"), /refused 127\.0\.0\.1: its certificate is of an authority that is not accepted here/);
  });
});
