import assert from "node:assert/strict";
import { test } from "node:test";
import type { Http, HttpRequest } from "../host/http-client.ts";
import type { Credentials } from "./docker-config.ts";
import { exchange, type Exchange, type ExchangeContext } from "./exchange.ts";

interface Scripted {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A registry with TLS at `registry.example`: no test has a certificate for that, so its answers are a script. */
function scripted(
  answers: (request: HttpRequest) => Scripted | Error,
  more: Partial<ExchangeContext> = {},
): { asked: string[]; through: Exchange } {
  const asked: string[] = [];
  const http: Http = async (request) => {
    asked.push([request.method, request.url, request.headers?.["authorization"]].filter(Boolean).join(" "));
    const answer = answers(request);
    if (answer instanceof Error) throw answer;
    const { status, headers = {}, body = "" } = answer;
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from(body);
    };
    return { status, header: (name) => headers[name], body: bytes(), discard: () => {} };
  };
  const context: ExchangeContext = {
    ...{ http, random: () => 0, now: () => 0, sleep: async () => {} },
    credentials: async () => ({ kind: "password", user: "me", password: "hunter2" }),
    ...more,
  };
  return { asked, through: exchange("https://registry.example", "registry.example/os", context) };
}
const ASK = { method: "GET", url: "/v2/os/blobs/x", scope: "repository:os:pull", what: "blob x", ok: [200] } as const;
const BASIC = `Basic ${Buffer.from("me:hunter2").toString("base64")}`;
const bearer = (realm: string): Scripted => ({
  ...{ status: 401, headers: { "www-authenticate": `Bearer realm="${realm}",service="registry",scope="repository:os:pull"` } },
});
const codeOf = (errno: string): Error => Object.assign(new Error("self-signed certificate"), { code: errno });

test("what was asked for by TLS is not asked for by plain HTTP, wherever the registry sends on to", async () => {
  const { asked, through } = scripted(() => ({ status: 307, headers: { location: "http://registry.example/v2/os/blobs/x" } }));
  await assert.rejects(through.send(ASK), { code: "REGISTRY_INVALID", message: /from TLS to plain HTTP/ });
  assert.deepEqual(asked, ["GET https://registry.example/v2/os/blobs/x"]);
});

test("a password is not sent to a token service without TLS", async () => {
  const { asked, through } = scripted(() => bearer("http://auth.example/token"));
  await assert.rejects(through.send(ASK), { code: "REGISTRY_INVALID", message: /token service without TLS/ });
  assert.equal(asked.length, 1);
});

test("a token is asked for with the password, and the registry with the token", async () => {
  const { asked, through } = scripted(({ url, headers }) => {
    if (url.startsWith("https://auth.example")) return { status: 200, body: '{"access_token":"t0ken","expires_in":300}' };
    return headers?.["authorization"] ? { status: 200 } : bearer("https://auth.example/token?a=b");
  });
  await through.send(ASK);
  await through.send(ASK);
  assert.deepEqual(asked, [
    "GET https://registry.example/v2/os/blobs/x",
    `GET https://auth.example/token?a=b&service=registry&scope=repository%3Aos%3Apull ${BASIC}`,
    "GET https://registry.example/v2/os/blobs/x Bearer t0ken",
    "GET https://registry.example/v2/os/blobs/x Bearer t0ken",
  ]);
});

test("a token that has ended is not used again", async () => {
  let now = 0;
  let tokens = 0;
  const { asked, through } = scripted(
    ({ url, headers }) => {
      if (url.startsWith("https://auth.example")) return { status: 200, body: `{"token":"t${++tokens}","expires_in":60}` };
      return headers?.["authorization"] === `Bearer t${tokens}` ? { status: 200 } : bearer("https://auth.example/token");
    },
    { now: () => now },
  );
  for (const at of [0, 49_999, 50_001]) {
    now = at;
    await through.send(ASK);
  }
  assert.equal(tokens, 2);
  assert.equal(asked.filter((one) => one.includes("Bearer t1")).length, 2);
});

test("an identity token is exchanged in the body of a request, where no log has it", async () => {
  const identity = async (): Promise<Credentials> => ({ kind: "identity-token", token: "s3cret" });
  const bodies: string[] = [];
  const { asked, through } = scripted(
    ({ url, headers, body }) => {
      if (!url.startsWith("https://auth.example"))
        return headers?.["authorization"] ? { status: 200 } : bearer("https://auth.example/token");
      void Array.fromAsync(body!.chunks()).then((parts) => bodies.push(Buffer.concat(parts).toString()));
      return { status: 200, body: '{"access_token":"t0ken"}' };
    },
    { credentials: identity },
  );
  await through.send(ASK);
  assert.deepEqual(asked[1], "POST https://auth.example/token");
  assert.equal(
    bodies[0],
    "service=registry&scope=repository%3Aos%3Apull&grant_type=refresh_token&client_id=petrify&refresh_token=s3cret",
  );
});

test("many that are asked for a token at once ask for one", async () => {
  let tokens = 0;
  const { through } = scripted(({ url, headers }) => {
    if (url.startsWith("https://auth.example")) return { status: 200, body: `{"token":"t${++tokens}"}` };
    return headers?.["authorization"] ? { status: 200 } : bearer("https://auth.example/token");
  });
  await Promise.all(Array.from({ length: 8 }, async () => await through.send(ASK)));
  assert.equal(tokens, 1);
});

for (const [errno, code, hint] of [
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "REGISTRY_UNTRUSTED", /certificate of its authority/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "REGISTRY_UNTRUSTED", /certificate of its authority/],
  ["CERT_NOT_YET_VALID", "REGISTRY_UNTRUSTED", /clock/],
  ["CERT_HAS_EXPIRED", "REGISTRY_UNTRUSTED", /clock/],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "REGISTRY_UNREACHABLE", /http:\/\//],
  ["ENOTFOUND", "REGISTRY_UNREACHABLE", /name server/],
] as const) {
  test(`${errno} is ${code}, at once`, async () => {
    const { asked, through } = scripted(() => codeOf(errno));
    await assert.rejects(
      through.send(ASK),
      (error: Error & { code?: string; hint?: string }) => error.code === code && hint.test(error.hint ?? ""),
    );
    assert.equal(asked.length, 1);
  });
}

test("a connection that fails is tried again, until whoever asked does not want it any more", async () => {
  const stop = new AbortController();
  const { asked, through } = scripted(() => codeOf("ECONNRESET"), {
    sleep: async (_ms, signal) => {
      if (asked.length === 3) stop.abort(new Error("enough"));
      signal?.throwIfAborted();
    },
  });
  await assert.rejects(through.send({ ...ASK, signal: stop.signal }), /enough/);
  assert.equal(asked.length, 3);
});
