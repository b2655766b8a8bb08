import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { access, mkdtempDisposable, writeFile } from "node:fs/promises";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { request } from "node:http";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { orNothing, until } from "../../../tests/support/until.ts";
import { AppError } from "../../core/error.ts";
import { callError, nodeClockOf, openNode } from "../../client/open-node.ts";
import { secondsNow } from "../../host/wall-clock.ts";
import { BootTarget, HealthState, NodeService } from "../../protocol/petrify/v1/node_pb.ts";
import type { OperationNews } from "../operations/driver.ts";
import type { NodeAnswers } from "./node-service.ts";
import { openApi, type ApiOptions } from "./open-api.ts";
import { fakeAuthority, fakeMachine, fakeStatus, noAgent, type Pair } from "./testing.ts";

const HOST = "127.0.0.1";
const ANSWERS: NodeAnswers = {
  version: "1.2.3",
  status: async () => await Promise.resolve(fakeStatus),
  operation: async function* () {
    yield* await Promise.resolve<OperationNews[]>([]);
  },
  look: async function* () {},
};

async function* noNews(signal: AbortSignal): AsyncGenerator<OperationNews> {
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  yield { restarting: "never" };
}

const ours = await fakeAuthority();
const theirs = await fakeAuthority();
const machine = await ours.machine(HOST);
const admin = await ours.person();

async function serving(options: Partial<ApiOptions> = {}) {
  const lines: string[] = [];
  const server = await openApi({
    at: { host: HOST, port: 0 },
    ...{ ...machine, authorities: ours.certificate, epoch: 0, answers: ANSWERS, ask: noAgent },
    ...{ now: secondsNow, log: (line) => lines.push(line) },
    ...options,
  });
  const target = { name: "edge-7", host: HOST, port: server.port };
  const { signal } = new AbortController();
  return {
    port: server.port,
    lines,
    open: async ({ key, certificate }: Pair = admin, fingerprint?: string, authorities = ours.certificate) =>
      await openNode(
        { ...target, ...(fingerprint === undefined ? {} : { fingerprint }) },
        { key, certificate, authorities },
        (why) => lines.push(`warned: ${why}`),
        signal,
      ),
    /** What has been logged, once something has. */
    logged: async () => {
      await until(() => lines.length > 0);
      return lines.join("\n");
    },
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}

suite("a call of our own client", () => {
  test("is answered, over a connection that both sides have proven", async () => {
    await using api = await serving();
    await using connection = await api.open();
    const version = await connection.node.version({});
    assert.deepEqual([version.version, version.machine?.hostname, version.image?.version], ["1.2.3", "edge-7", "1.4.0"]);
    const status = await connection.node.status({});
    assert.deepEqual([status.running, status.health?.state], [BootTarget.A, HealthState.HEALTHY]);
    assert.equal(status.slots[0]?.tries, 6);
    assert.deepEqual(api.lines, []);
  });

  test("gets news as they come, and stops the work by going away", async () => {
    let seen: AbortSignal | undefined;
    const operation = async function* (signal: AbortSignal): AsyncGenerator<OperationNews> {
      seen = signal;
      yield { now: { id: "1", kind: "upgrade", at: "writing", text: "writing", percent: 7 } };
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    };
    await using api = await serving({ answers: { ...ANSWERS, operation } });
    await using connection = await api.open();
    const stop = new AbortController();
    await assert.rejects(async () => {
      for await (const { news } of connection.node.followOperation({}, { signal: stop.signal })) {
        assert.equal(news.case === "now" && news.value.percent, 7);
        stop.abort();
      }
    });
    assert.ok(seen);
    if (!seen.aborted) await once(seen, "abort");
  });

  test("fails with the agent's code, sentence and hint", async () => {
    const status = async () => await Promise.reject(new AppError("OPERATION_RUNNING", "größer geht nicht", { hint: "Wait." }));
    await using api = await serving({ answers: { ...ANSWERS, status } });
    await using connection = await api.open();
    const error = await connection.node.status({}).catch((failure: unknown) => callError("edge-7", failure));
    assert.ok(error instanceof AppError);
    assert.deepEqual([error.code, error.message, error.hint], ["OPERATION_RUNNING", "größer geht nicht", "Wait."]);
  });

  test("hears nothing of a fault's insides, which the log has", async () => {
    const status = async () => await Promise.reject(new Error("the secret is 42"));
    await using api = await serving({ answers: { ...ANSWERS, status } });
    await using connection = await api.open();
    const error = (await connection.node.status({}).catch((failure: unknown) => callError("edge-7", failure))) as AppError;
    assert.equal(error.code, "NODE_FAILED");
    assert.doesNotMatch(error.message, /secret/);
    assert.match(await api.logged(), /secret is 42/);
  });
});

suite("a caller is cut off before its first request", () => {
  const cases: readonly (readonly [string, () => Promise<Pair>, RegExp])[] = [
    ["with a certificate of another authority", async () => await theirs.person(), /authority that is not accepted here/],
    ["whose certificate has expired", async () => await ours.person({}, { since: -24 }), /has expired/],
    [
      "of an epoch that is over, and not valid yet",
      async () => await ours.person({ epoch: 2 }, { since: 24 }),
      /alice is revoked/,
    ],
    ["of another authority, and not valid yet", async () => await theirs.person({}, { since: 24 }), /not accepted here/],
    ["with another machine's certificate", async () => await ours.machine(HOST), /not one for calling/],
    ["with a certificate of its own making", async () => await fakeMachine(), /not one for calling/],
    ["with the authority's own certificate", async () => await Promise.resolve(ours), /not one for calling|names nobody/],
    ["whose certificate names no role that there is", async () => await ours.person({ role: "root" as "admin" }), /names nobody/],
    ["whose name could break a log", async () => await ours.person({ name: "a\nb" }), /names nobody/],
    ["of an epoch that is over", async () => await ours.person({ epoch: 2 }), /alice is revoked: epoch 2/],
  ];
  for (const [name, pair, why] of cases) {
    test(name, async () => {
      let asked = 0;
      const status = async () => await Promise.resolve((asked++, fakeStatus));
      await using api = await serving({ epoch: 3, answers: { ...ANSWERS, status } });
      await using connection = await api.open(await pair());
      const error = (await connection.node.status({}).catch((failure: unknown) => callError("edge-7", failure))) as AppError;
      assert.equal(error.code, "NODE_HUNG_UP");
      assert.match(await api.logged(), why);
      assert.match(api.lines.join(), /^refused 127\.0\.0\.1: /);
      assert.equal(asked, 0);
    });
  }

  test("with none", async () => {
    await using api = await serving();
    await closed(await handshake(api.port, {}));
    assert.match(await api.logged(), /no certificate/);
  });

  test("that speaks an older TLS", async () => {
    for (const maxVersion of ["TLSv1.1", "TLSv1.2"] as const) {
      await using api = await serving();
      // What no system offers by default any more has to be asked for.
      const old = { minVersion: "TLSv1", maxVersion, ciphers: "DEFAULT@SECLEVEL=0" } as const;
      await assert.rejects(handshake(api.port, { ...pairOf(admin), ...old }), /protocol version/);
      assert.match(await api.logged(), /no TLS as new as 1\.3/);
    }
  });

  test("that speaks HTTP without TLS", async () => {
    await using api = await serving();
    const answer = new Promise((resolve, reject) => request({ host: HOST, port: api.port }, resolve).once("error", reject).end());
    await assert.rejects(answer);
    assert.match(await api.logged(), /HTTP without TLS/);
  });

  test("that never speaks, or a byte at a time", async () => {
    // Longer than a handshake takes where a machine has much else to do: there is one at the end.
    await using api = await serving({ limits: { handshakeMs: 1500 } });
    const silent = connectTcp(api.port, HOST);
    const slow = connectTcp(api.port, HOST);
    // The beginning of a ClientHello that says it has 508 bytes.
    const hello = Buffer.concat([Buffer.from("1603010200010001fc0303", "hex"), Buffer.alloc(500)]);
    let at = 0;
    const drip = setInterval(() => slow.write(hello.subarray(at, ++at)), 50);
    for (const socket of [silent, slow]) socket.on("error", () => {});
    await Promise.all([silent, slow].map(async (socket) => await new Promise((resolve) => socket.once("close", resolve))));
    clearInterval(drip);
    assert.match(api.lines.join("\n"), /handshake took too long\n.*handshake took too long/);
    await using connection = await api.open();
    assert.equal((await connection.node.version({})).version, "1.2.3");
  });
});

suite("roles", () => {
  test("a reader may look", async () => {
    await using api = await serving();
    await using connection = await api.open(await ours.person({ role: "reader" }));
    assert.equal((await connection.node.status({})).machine?.hostname, "edge-7");
  });

  test("a certificate that expires while its connection lasts counts no more", async () => {
    let now = secondsNow();
    await using api = await serving({ now: () => now });
    await using connection = await api.open();
    await connection.node.version({});
    now += 13 * 3600;
    const error = (await connection.node.version({}).catch((failure: unknown) => callError("edge-7", failure))) as AppError;
    assert.deepEqual([error.code, error.message], ["NOT_PERMITTED", "the certificate of alice has expired"]);
  });
});

suite("a machine whose clock is behind", () => {
  test("lets a caller do nothing whose certificate is not valid yet, and tells what time it is there", async () => {
    let asked = 0;
    const status = async () => await Promise.resolve((asked++, fakeStatus));
    await using api = await serving({ answers: { ...ANSWERS, status } });
    await using connection = await api.open(await ours.person({}, { since: 24 }));
    const error: unknown = await connection.node.status({}).catch((failure: unknown) => failure);
    const { code, message } = callError("edge-7", error) as AppError;
    assert.equal(code, "NODE_CLOCK_NOT_SET");
    assert.match(message, /^the clock of this machine says .*, and the certificate of alice begins /);
    assert.ok(Math.abs(nodeClockOf(error)! - secondsNow()) < 60);
    assert.equal(asked, 0);
  });

  test("knows authorities that are younger than its clock", async () => {
    const { validFromDate } = new X509Certificate(ours.certificate);
    assert.equal(validFromDate.getTime(), 0);
  });
});

suite("two authorities", () => {
  test("are accepted while one follows the other", async () => {
    await using api = await serving({ authorities: `${theirs.certificate}${ours.certificate}` });
    for (const person of [await ours.person(), await theirs.person()]) {
      await using connection = await api.open(person);
      assert.equal((await connection.node.version({})).version, "1.2.3");
    }
  });
});

suite("our client does not talk to", () => {
  test("a machine that no authority vouches for, unless its key was pinned", async () => {
    const { fingerprint, ...pair } = await fakeMachine();
    await using api = await serving(pair);
    await assert.rejects(api.open(), { code: "NODE_UNKNOWN", hint: new RegExp(fingerprint.replaceAll(/[+/]/g, ".")) });
    await using connection = await api.open(admin, fingerprint);
    assert.equal((await connection.node.version({})).version, "1.2.3");
  });

  test("a machine with another key than the pinned one, though an authority vouches for it", async () => {
    await using api = await serving();
    await assert.rejects(api.open(admin, "SHA256:other"), { code: "NODE_KEY_DIFFERS" });
  });

  test("a machine of another authority, or of another name", async () => {
    await using api = await serving();
    await assert.rejects(api.open(admin, undefined, theirs.certificate), { code: "NODE_UNKNOWN" });
    await using other = await serving(await ours.machine("192.0.2.1"));
    await assert.rejects(other.open(), { code: "NODE_UNKNOWN" });
  });

  test("who is not there", async () => {
    const { port } = await serving().then(async (api) => (await api[Symbol.asyncDispose](), api));
    const target = { name: "x", host: HOST, port };
    const nobody = openNode(target, { ...admin, authorities: ours.certificate }, () => {}, new AbortController().signal);
    await assert.rejects(nobody, { code: "NODE_UNREACHABLE", message: /ECONNREFUSED/ });
  });
});

suite("clients that are not ours", () => {
  test("gRPC over HTTP/2, and Connect over HTTP/1.1 with JSON", async () => {
    await using api = await serving();
    const options = { baseUrl: `https://${HOST}:${api.port}`, nodeOptions: { ...pairOf(admin), ca: ours.certificate } };
    for (const transport of [
      createGrpcTransport(options),
      createConnectTransport({ ...options, httpVersion: "1.1", useBinaryFormat: false }),
    ]) {
      const answer = await createClient(NodeService, transport).version({});
      assert.equal(answer.machine?.hostname, "edge-7");
    }
  });

  test("curl", async (t) => {
    if (
      !(await access("/usr/bin/curl").then(
        () => true,
        () => false,
      ))
    )
      return t.skip("there is no curl");
    await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-curl-"));
    const file = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder.path, name), text);
      return join(folder.path, name);
    };
    const tls = ["--cacert", await file("ca", ours.certificate), "--cert", await file("c", admin.certificate)];
    await using api = await serving();
    const url = `https://${HOST}:${api.port}/petrify.v1.NodeService/Status`;
    const asked = ["--header", "content-type: application/json", "--data"];
    const curl = async (...args: string[]): Promise<string> =>
      (await promisify(execFile)("curl", ["-sS", ...tls, "--key", await file("k", admin.key), ...args])).stdout;
    assert.match(await curl(...asked, "{}", url), /"hostname":"edge-7"/);
    assert.match(await curl("--http1.1", ...asked, "{}", url), /"running":"BOOT_TARGET_A"/);
    // A method without side effects may be asked for by GET. Source: Connect protocol, unary-get-request
    assert.match(await curl(`${url}?connect=v1&encoding=json&message=%7B%7D`), /"hostname":"edge-7"/);
    assert.match(await curl(...asked, '{"dry_rum":true}', url), /invalid_argument/);
    assert.match(await curl(...asked, "{", url), /invalid_argument/);
    assert.match(await curl(...asked, "{}", url.replace("Status", "Nothing"), "-w", "%{http_code}"), /404$/);
    assert.match(await curl("--http1.1", "--header", `x: ${"y".repeat(20_000)}`, url, "-w", "%{http_code}"), /431$/);
  });

  test("what is too large is refused, and what is packed is not unpacked", async () => {
    await using api = await serving();
    await using session = await speak(api.port);
    const path = "/petrify.v1.NodeService/Status";
    const call = { ":method": "POST", ":path": path, "content-type": "application/json" };
    assert.match((await session.ask(call, Buffer.alloc(2 * 1024 * 1024, " "))).body, /resource_exhausted/);
    assert.match((await session.ask({ ...call, "content-encoding": "gzip" }, Buffer.from("x"))).body, /unimplemented/);
    assert.match((await session.ask({ ...call, "content-type": "text/html" }, Buffer.from("x"))).status, /415/);
    assert.equal((await session.ask(call, Buffer.from("{}"))).status, "200");
  });

  test("frames that are none, and requests that are reset as fast as they come, cost nobody else anything", async () => {
    await using api = await serving();
    const noise = await handshake(api.port, { ...pairOf(admin), ALPNProtocols: ["h2"] });
    noise.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    noise.write(Buffer.from("00ffff0900000000010000000000", "hex"));
    await closed(noise);
    const rapid = connectHttp2(`https://${HOST}:${api.port}`, { ...pairOf(admin), ca: ours.certificate });
    rapid.on("error", () => {});
    const over = new Promise<void>((resolve) => rapid.once("close", () => resolve()));
    for (let round = 0; round < 200 && !rapid.destroyed; round++) {
      for (let number = 0; number < 100 && !rapid.destroyed && !rapid.closed; number++) {
        const stream = rapid.request({ ":method": "POST", ":path": "/petrify.v1.NodeService/FollowOperation" });
        stream.on("error", () => {});
        stream.close(8); // CANCEL. Source: CVE-2023-44487
      }
      await wait(1);
    }
    await orNothing(over);
    assert.ok(rapid.destroyed, "a session that only resets its streams is ended");
    await using connection = await api.open();
    assert.equal((await connection.node.version({})).version, "1.2.3");
  });

  test("a request of HTTP/1.1 that never becomes whole is ended, also one that comes a byte at a time", async () => {
    await using api = await serving({ limits: { quietMs: 200, requestMs: 400 } });
    const head = "POST /petrify.v1.NodeService/Status HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    for (const [begun, drip] of [
      ["", ""],
      [head, ""],
      [`${head}x: `, "y"],
      [`${head}content-length: 100000\r\n\r\n`, " "],
    ] as const) {
      const socket = await handshake(api.port, { ...pairOf(admin), ALPNProtocols: ["http/1.1"] });
      socket.write(begun);
      const writing = setInterval(() => socket.write(drip), 50);
      await closed(socket);
      clearInterval(writing);
    }
  });

  test("no more connections than there may be are kept", async () => {
    await using api = await serving({ limits: { connections: 3 } });
    const sockets = Array.from({ length: 10 }, () => connectTcp(api.port, HOST).on("error", () => {}));
    const open = (): number => sockets.filter(({ closed: isClosed, destroyed }) => !isClosed && !destroyed).length;
    for (const socket of sockets) socket.resume();
    await until(() => open() <= 3);
    assert.equal(open(), 3);
    for (const socket of sockets) socket.destroy();
  });
});

test("no more calls that last are answered than there may be, and each that ends makes room", async () => {
  let begun = 0;
  const operation = (signal: AbortSignal): AsyncGenerator<OperationNews> => {
    begun++;
    return noNews(signal);
  };
  await using api = await serving({ limits: { lasting: 2 }, answers: { ...ANSWERS, operation } });
  await using connection = await api.open();
  const begin = (): { readonly stop: AbortController; readonly first: Promise<unknown> } => {
    const stop = new AbortController();
    const first = connection.node.followOperation({}, { signal: stop.signal })[Symbol.asyncIterator]().next();
    return { stop, first: first.catch((error: unknown) => error) };
  };
  const [one] = [begin(), begin()];
  await until(() => begun === 2);
  assert.match(String(await begin().first), /resource_exhausted.*2 calls that last/);
  assert.equal((await connection.node.version({})).version, "1.2.3", "others are answered all the same");
  one.stop.abort();
  await until(async () => {
    const { first } = begin(); // it is refused until the machine has heard of that
    return (await Promise.race([first, until(() => begun === 3)])) === undefined;
  });
  assert.equal(begun, 3);
});

suite("a program that nobody calls", () => {
  test("ends once the last connection has been closed for a while, and not before", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    let ended = 0;
    await using api = await serving({ idle: { ms: 200, end: () => void ended++ } });
    {
      await using connection = await api.open();
      await connection.node.version({});
      t.mock.timers.tick(10_000);
      assert.equal(ended, 0);
    }
    await until(() => {
      t.mock.timers.tick(200);
      return ended > 0;
    });
    assert.equal(ended, 1);
  });

  test("a connection on which nothing is asked is closed, one that waits for news is not", async () => {
    const quietMs = 1000;
    await using api = await serving({ limits: { quietMs }, answers: { ...ANSWERS, operation: noNews } });
    await using waiting = await api.open();
    const news = waiting.node.followOperation({})[Symbol.asyncIterator]().next();
    const quiet = await handshake(api.port, { ...pairOf(admin), ALPNProtocols: ["h2"] });
    quiet.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    await closed(quiet);
    const first = await Promise.race([
      news.then(
        () => "ended",
        () => "ended",
      ),
      wait(1.5 * quietMs, "waits"),
    ]);
    assert.equal(first, "waits");
  });
});

const pairOf = ({ certificate, key }: Pair): ConnectionOptions => ({ cert: certificate, key });

async function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: HOST, port, ca: ours.certificate, ...options });
  await new Promise<void>((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

async function closed(socket: TLSSocket): Promise<void> {
  socket.on("error", () => {});
  socket.resume();
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
}

async function speak(port: number) {
  const session: ClientHttp2Session = connectHttp2(`https://${HOST}:${port}`, { ...pairOf(admin), ca: ours.certificate });
  await new Promise((resolve, reject) => session.once("connect", resolve).once("error", reject));
  return {
    ask: async (headers: Readonly<Record<string, string>>, body: Buffer) => {
      const stream = session.request(headers);
      let [status, text] = ["", ""];
      stream.on("response", (answer) => (status = String(answer[":status"])));
      stream.setEncoding("utf8").on("data", (part: string) => (text += part));
      stream.on("error", () => {});
      stream.end(body);
      await new Promise((resolve) => stream.once("close", resolve));
      return { status, body: text };
    },
    [Symbol.asyncDispose]: async () => await Promise.resolve(session.destroy()),
  };
}
