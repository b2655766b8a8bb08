import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { EC2_KEY, EC2_VALUES, ec2Service } from "../../../tests/support/ec2-service.ts";
import { askEc2, type Ec2Answer } from "./ec2.ts";

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
for (const sessions of ["needed", "unknown"] as const) {
  test(`instance, name, keys and user data are read of a service whose sessions are ${sessions}`, async () => {
    const { userData, ...rest } = await ask(ec2Service(sessions));
    assert.deepEqual(rest, { instance: "i-0123456789abcdef0", hostname: "ip-10-0-0-1.ec2.internal", keys: [EC2_KEY] });
    assert.equal(Buffer.from(userData!).toString(), EC2_VALUES["/latest/user-data"]);
  });
}

test("a service that says nothing gives nothing", async () => {
  assert.deepEqual(await ask(ec2Service("needed", {})), { keys: [] });
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
      else ec2Service("unknown")(request, response);
    },
    /more than 16 KiB/,
  ],
  [
    "whose user data is too long",
    (request, response) => {
      if (request.url === "/latest/user-data") response.end(Buffer.alloc(10 * 1000 ** 2));
      else ec2Service("unknown")(request, response);
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
