import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openMaintenance } from "../client/open-maintenance.ts";
import { openNode } from "../client/open-node.ts";
import { bundleForNode } from "../host/bundle.ts";
import { serveLocally, type LocalRoutes } from "../host/unix-http.ts";
import { fakeAuthority, fakeMachine, type Pair } from "./api/testing.ts";

const HOST = "127.0.0.1";
/** As a machine has it. */
const program = await bundleForNode(join(import.meta.dirname, "api-main.ts"), { PETRIFY_VERSION: "1.2.3" });
const authority = await fakeAuthority();
const machine = await fakeMachine();

/** What systemd does: credentials in a folder, a socket that listens as descriptor 3, its own pid in the environment. */
async function started(credentials: Readonly<Record<string, string>>, routes: LocalRoutes = {}) {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-api-"));
  const at = (name: string): string => join(folder.path, name);
  for (const [name, text] of Object.entries({ token: "t", key: machine.key, ...credentials })) await writeFile(at(name), text);
  await writeFile(at("api.mjs"), program);
  const status = { at: 1_000_000, machine: { id: "9b4e", hostname: "edge-7" }, image: { name: "edge", version: "1.4.0" } };
  const agent = await serveLocally(
    at("agent"),
    { "GET /status": async () => await Promise.resolve(status), ...routes },
    () => "t",
  );
  const listener = createServer().listen(0, HOST);
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const { fd } = Reflect.get(listener, "_handle") as { readonly fd: number };
  const script = 'export LISTEN_PID=$$; exec "$@"';
  const argv = ["-c", script, "sh", process.execPath, at("api.mjs"), at("agent")];
  const env = { LISTEN_FDS: "1", CREDENTIALS_DIRECTORY: folder.path };
  const child = spawn("sh", argv, { env, stdio: ["ignore", "ignore", "pipe", fd] });
  listener.close(); // this process's half of it: or it would take connections, too
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "exit");
  return {
    child,
    ended,
    said: () => said,
    port,
    open: async (pair: Pair) => {
      const target = { name: "edge-7", host: HOST, port, fingerprint: machine.fingerprint };
      return await openNode(target, { ...pair, authorities: authority.certificate }, () => {}, new AbortController().signal);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
      await agent[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

suite("petrify-api", () => {
  test("answers on the socket that it is handed, from what the agent says, and ends in good order", async () => {
    await using api = await started({ "api_ca.pem": authority.certificate, "api_node.pem": "no certificate" });
    {
      await using connection = await api.open(await authority.person());
      const { version, machine: found, image } = await connection.node.version({});
      assert.deepEqual([version, found?.hostname, image?.version], ["1.2.3", "edge-7", "1.4.0"]);
    }
    assert.match(api.said(), /<6>node\.pem is not used: it is no certificate/);
    api.child.kill("SIGTERM");
    assert.deepEqual(await api.ended, [0, null]);
  });

  test("shows the certificate that an authority has made for it", async () => {
    const pair = await authority.machine(HOST);
    await using api = await started({ "api_ca.pem": authority.certificate, "api_node.pem": pair.certificate, key: pair.key });
    await assert.rejects(api.open(await authority.person()), { code: "NODE_KEY_DIFFERS" });
  });

  test("of a machine that nobody owns tells anybody who it is, takes an owner, and ends for what comes after", async () => {
    const asked: unknown[] = [];
    const enrol = async (_: AbortSignal, body: unknown) =>
      await Promise.resolve((asked.push(body), { problems: [], reboot: [] }));
    await using api = await started({}, { "POST /enrol": enrol });
    const target = { name: "edge-7", host: HOST, port: api.port };
    await using connection = await openMaintenance(target, machine.fingerprint, new AbortController().signal);
    const { version, machine: found } = await connection.enrolment.describe({});
    assert.deepEqual([version, found?.hostname], ["1.2.3", "edge-7"]);
    {
      await using owner = await api.open(await authority.person());
      await assert.rejects(owner.node.status({}), /unimplemented|no owner yet/i);
    }
    await connection.enrolment.enrol({ authorities: "a", certificate: "c", epoch: 2n });
    assert.deepEqual(asked, [{ documents: [], authorities: "a", certificate: "c", epoch: 2 }]);
    assert.deepEqual(await api.ended, [0, null]);
  });

  const cases: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    ["what is no authority", { "api_ca.pem": "x" }, /<3>ca\.pem does not hold certificates of authorities alone/],
    ["a machine in its place", { "api_ca.pem": machine.certificate }, /does not hold certificates of authorities alone/],
    ["an epoch that nobody understands", { "api_ca.pem": authority.certificate, api_epoch: "two" }, /epoch is no number/],
  ];
  for (const [name, credentials, why] of cases) {
    test(`lets nobody in with ${name}`, async () => {
      await using api = await started(credentials);
      assert.deepEqual(await api.ended, [1, null]);
      assert.match(api.said(), why);
    });
  }

  test("knows the epoch that its machine has", async () => {
    await using api = await started({ "api_ca.pem": authority.certificate, api_epoch: "2\n" });
    await using revoked = await api.open(await authority.person({ epoch: 1 }));
    await assert.rejects(revoked.node.version({}));
    assert.match(api.said(), /refused 127\.0\.0\.1: the certificate of alice is revoked: epoch 1 is over/);
    await using connection = await api.open(await authority.person({ epoch: 2 }));
    assert.equal((await connection.node.version({})).version, "1.2.3");
  });
});
