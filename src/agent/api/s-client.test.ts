import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { until } from "../../../tests/support/until.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { openApi } from "./open-api.ts";
import { fakeAuthority, fakeMachine, fakeStatus, noAgent, type Pair } from "./testing.ts";

const HOST = "127.0.0.1";
const OPENSSL = "/usr/bin/openssl";
const hasOpenssl = await access(OPENSSL).then(
  () => true,
  () => false,
);
const ours = await fakeAuthority();
const theirs = await fakeAuthority();
const reader = await ours.person({ role: "reader" });

/** A machine, and OpenSSL's own client, which knows nothing of us. */
async function desk() {
  const folder = await mkdtempDisposable(join(tmpdir(), "petrify-s-client-"));
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder.path, name);
    await writeFile(path, text);
    return path;
  };
  const authorities = await file("ca.pem", ours.certificate);
  const lines: string[] = [];
  let asked = 0;
  const server = await openApi({
    ...{ at: { host: HOST, port: 0 }, ...(await ours.machine(HOST)), authorities: ours.certificate, epoch: 0 },
    ...{ now: secondsNow, log: (line) => lines.push(line), ask: noAgent },
    answers: {
      version: "1.2.3",
      status: async () => await Promise.resolve((asked++, fakeStatus)),
      operation: async function* () {},
      look: async function* () {},
    },
  });
  return {
    at: (name: string): string => join(folder.path, name),
    asked: () => asked,
    /** What has been logged, once something has. */
    logged: async (): Promise<string> => {
      await until(() => lines.length > 0);
      return lines.splice(0).join("\n");
    },
    pair: async ({ certificate, key }: Pair): Promise<string[]> => [
      ...["-cert", await file("c.pem", certificate), "-key", await file("c.key", key)],
    ],
    /** @returns all that OpenSSL says, and what has been answered to it */
    call: async (path: string, ...args: readonly string[]): Promise<string> => {
      const client = spawn(
        OPENSSL,
        ["s_client", "-connect", `${HOST}:${server.port}`, "-CAfile", authorities, "-verify_return_error", "-ign_eof", ...args],
        // What a distribution has set for its own programs is not the question.
        { env: { OPENSSL_CONF: "/dev/null" } },
      );
      let said = "";
      for (const stream of [client.stdout, client.stderr])
        stream.setEncoding("utf8").on("data", (text: string) => (said += text));
      client.stdin.on("error", () => {}); // it may be cut off before
      client.stdin.write(
        `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
      );
      await once(client, "close");
      return said;
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}

const STATUS = "/petrify.v1.NodeService/Status";

suite("openssl s_client", { skip: hasOpenssl ? false : "there is no openssl" }, () => {
  test("with a reader's certificate trusts the machine, speaks TLS 1.3, and is answered", async () => {
    await using at = await desk();
    const said = await at.call(STATUS, ...(await at.pair(reader)));
    assert.match(said, /Verify return code: 0 \(ok\)/);
    assert.match(said, /TLSv1\.3/);
    assert.match(said, /HTTP\/1\.1 200 OK/);
    assert.match(said, /"hostname":"edge-7"/);
  });

  test("with a role that is not enough is told so, and that is logged", async () => {
    await using at = await desk();
    const said = await at.call("/petrify.v1.ControlService/Reboot", ...(await at.pair(reader)));
    assert.match(said, /HTTP\/1\.1 403 /);
    assert.match(said, /alice is reader, and this takes operator/);
    assert.match(await at.logged(), /^denied to alice: petrify\.v1\.ControlService\.Reboot: alice is reader/);
  });

  const strangers: readonly (readonly [string, () => Promise<Pair> | undefined, RegExp])[] = [
    ["without a certificate", () => undefined, /no certificate/],
    ["with one that has expired", async () => await ours.person({}, { since: -24 }), /has expired/],
    ["with one of another authority", async () => await theirs.person(), /authority that is not accepted here/],
    ["with another machine's", async () => await ours.machine(HOST), /not one for calling/],
    ["with one that it has signed itself", async () => await fakeMachine(), /not one for calling/],
    ["with one of a role that there is not", async () => await ours.person({ role: "root" as "admin" }), /names nobody/],
  ];
  for (const [name, made, why] of strangers) {
    test(`${name} is cut off unheard`, async () => {
      await using at = await desk();
      const own = await made();
      assert.doesNotMatch(await at.call(STATUS, ...(own ? await at.pair(own) : [])), /HTTP\/1\.1/);
      assert.match(await at.logged(), why);
      assert.equal(at.asked(), 0);
    });
  }

  test("that comes again with the session that it had is who it was", async () => {
    await using at = await desk();
    const session = at.at("session");
    await at.call(STATUS, ...(await at.pair(reader)), "-sess_out", session);
    const said = await at.call("/petrify.v1.ControlService/Reboot", "-sess_in", session);
    assert.match(said, /Reused, TLSv1\.3/);
    assert.match(said, /alice is reader, and this takes operator/);
  });

  test("that speaks an older TLS is cut off", async () => {
    await using at = await desk();
    for (const version of ["-tls1_1", "-tls1_2"]) {
      const args = [version, "-cipher", "DEFAULT:@SECLEVEL=0", ...(await at.pair(reader))];
      assert.match(await at.call(STATUS, ...args), /alert protocol version/);
      assert.match(await at.logged(), /^refused 127\.0\.0\.1: it speaks no TLS as new as 1\.3$/);
    }
  });

  test("with an authority that is not the machine's does not trust it", async () => {
    await using at = await desk();
    await writeFile(at.at("ca.pem"), theirs.certificate);
    assert.match(await at.call(STATUS, ...(await at.pair(reader))), /verify error/);
    assert.equal(at.asked(), 0);
  });
});
