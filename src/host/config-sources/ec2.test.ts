import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { askEc2, type Ec2Answer } from "./ec2.ts";

const KEY = "ssh-ed25519 AAAA ops@desk";
const VALUES: Readonly<Record<string, string>> = {
  "/latest/meta-data/instance-id": "i-0123456789abcdef0\n",
  "/latest/meta-data/local-hostname": "ip-10-0-0-1.ec2.internal",
  "/latest/meta-data/public-keys/": "0=mine\n1=other\nnonsense\n../x=y\n",
  "/latest/meta-data/public-keys/0/openssh-key": `${KEY}\n`,
  "/latest/user-data": "#cloud-config\n",
};
const TOKEN = "AQAAtoken==";
const TTL = "x-aws-ec2-metadata-token-ttl-seconds";

/** Asks a service that answers so. */
async function ask(listener: RequestListener): Promise<Ec2Answer> {
  const server = createServer(listener);
  await once(server.listen(0, "127.0.0.1"), "listening");
  try {
    const { port } = server.address() as AddressInfo;
    return await askEc2(new AbortController().signal, `http://127.0.0.1:${port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
/** A service with the values; sessions are needed, or not known. */
function service(sessions: "needed" | "unknown", values = VALUES): RequestListener {
  const isRefused = (request: IncomingMessage): boolean =>
    sessions === "needed" && request.headers["x-aws-ec2-metadata-token"] !== TOKEN;
  return (request, response) => {
    if (request.method === "PUT") {
      const isAsked = sessions === "needed" && request.url === "/latest/api/token" && Number(request.headers[TTL]) > 0;
      return void response.writeHead(isAsked ? 200 : 405).end(isAsked ? TOKEN : "no");
    }
    const value = values[request.url ?? ""];
    if (isRefused(request)) response.writeHead(401).end();
    else response.writeHead(value === undefined ? 404 : 200).end(value);
  };
}

for (const sessions of ["needed", "unknown"] as const) {
  test(`instance, name, keys and user data are read of a service whose sessions are ${sessions}`, async () => {
    const { userData, ...rest } = await ask(service(sessions));
    assert.deepEqual(rest, { instance: "i-0123456789abcdef0", hostname: "ip-10-0-0-1.ec2.internal", keys: [KEY] });
    assert.equal(Buffer.from(userData!).toString(), "#cloud-config\n");
  });
}

test("a service that says nothing gives nothing", async () => {
  assert.deepEqual(await ask(service("needed", {})), { keys: [] });
});

for (const [what, listener, why] of [
  ["that fails", (_request, response) => void response.writeHead(500).end(), /it answers 500/],
  [
    "that leads elsewhere",
    (_request, response) => void response.writeHead(302, { location: "http://127.0.0.1/" }).end(),
    /redirect/,
  ],
  ["that hangs up", (request) => void request.socket.destroy(), /cannot be read: /],
  [
    "whose names never end",
    (request, response) => {
      if (request.url?.endsWith("local-hostname")) response.end("x".repeat(100_000));
      else service("unknown")(request, response);
    },
    /more than 16 KiB/,
  ],
  [
    "whose user data is too long",
    (request, response) => {
      if (request.url === "/latest/user-data") response.end(Buffer.alloc(10 * 1000 ** 2));
      else service("unknown")(request, response);
    },
    /more than 1024 KiB/,
  ],
] as const satisfies readonly (readonly [string, RequestListener, RegExp])[]) {
  test(`a service ${what} is none`, async () => {
    await assert.rejects(
      ask(listener),
      (error: Error & { code?: string }) => error.code === "FETCH_FAILED" && why.test(error.message),
    );
  });
}

test("it ends when whoever asked does not want it any more", async () => {
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await assert.rejects(askEc2(stop.signal, "http://127.0.0.1:2"), /enough/);
});
