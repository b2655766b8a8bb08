import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { apiProgram, startApi } from "../../tests/support/api-program.ts";
import { until } from "../../tests/support/until.ts";
import { openMaintenance } from "../client/open-maintenance.ts";
import { openNode } from "../client/open-node.ts";
import type { LocalRoutes } from "../host/unix-http.ts";
import { SystemService } from "../protocol/petrify/v1/system_pb.ts";
import { fakeAuthority, fakeMachine, type Pair } from "./api/testing.ts";

const HOST = "127.0.0.1";
const program = await apiProgram();
const authority = await fakeAuthority();
const machine = await fakeMachine();
const STATUS = { at: 1_000_000, machine: { id: "9b4e", hostname: "edge-7" }, image: { name: "edge", version: "1.4.0" } };

async function started(credentials: Readonly<Record<string, string>>, routes: LocalRoutes = {}) {
  const agent = { "GET /status": async () => await Promise.resolve(STATUS), ...routes };
  const api = await startApi(program, { key: machine.key, ...credentials }, agent);
  return {
    ...api,
    open: async (pair: Pair) => {
      const target = { name: "edge-7", host: HOST, port: api.port, fingerprint: machine.fingerprint };
      return await openNode(target, { ...pair, authorities: authority.certificate }, () => {}, new AbortController().signal);
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

  test("asks the agent for services, which the bus of a system does not show to nobody in particular", async () => {
    const services = async () => await Promise.resolve({ services: [{ name: "ssh.service", active: "active" }] });
    await using api = await started({ "api_ca.pem": authority.certificate }, { "GET /services": services });
    await using connection = await api.open(await authority.person());
    const found = await connection.client(SystemService).services({});
    assert.deepEqual(
      found.services.map(({ name }) => name),
      ["ssh.service"],
    );
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
    assert.deepEqual(asked, [{ documents: [], authorities: "a", certificate: "c", epoch: 2, recovery: "", recoveryToken: "" }]);
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
    await until(() => api.said().includes("refused"));
    assert.match(api.said(), /refused 127\.0\.0\.1: the certificate of alice is revoked: epoch 1 is over/);
    await using connection = await api.open(await authority.person({ epoch: 2 }));
    assert.equal((await connection.node.version({})).version, "1.2.3");
  });
});
