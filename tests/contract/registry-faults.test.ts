/** What goes wrong between a store and its registry: it goes on where it stopped, or says what is wrong, and nothing false is taken. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Credentials } from "../../src/registry/docker-config.ts";
import { StoreError } from "../../src/registry/errors.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import type { RegistryContext } from "../../src/registry/registry-store.ts";
import type { ImageStore } from "../../src/registry/store.ts";
import {
  digestOf,
  serve,
  testRegistry,
  type Asked,
  type Fault,
  type RegistryOptions,
  type TestRegistry,
} from "../support/registry.ts";
import { bytesOf, collected, describedAs, MANIFEST, putArtifact, sourceOf, testContext } from "../support/store-contract.ts";

interface Opened extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly store: ImageStore;
  readonly waits: readonly number[];
  /** Requests from now on that begin so. */
  readonly asked: (start: string) => readonly Asked[];
}
async function open(options: RegistryOptions = {}, more: Partial<RegistryContext> = {}, stallMs?: number): Promise<Opened> {
  const registry = await testRegistry(options);
  const context = testContext(more, stallMs);
  return {
    registry,
    store: openStore(parseReference(`http://${registry.host}/team/os`), context),
    waits: context.waits,
    asked: (start) => registry.asked.filter(({ method, url }) => `${method} ${url}`.startsWith(start)),
    [Symbol.asyncDispose]: async () => {
      context[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** Faults one after the other, for requests that begin so; then none. */
function inTurn(start: string, ...faults: readonly Fault[]): { fault: (asked: Asked) => Fault | undefined } {
  const left = [...faults];
  return { fault: ({ method, url }) => (`${method} ${url}`.startsWith(start) ? left.shift() : undefined) };
}
const always = (start: string, fault: Fault): { fault: (asked: Asked) => Fault | undefined } => ({
  fault: ({ method, url }) => (`${method} ${url}`.startsWith(start) ? fault : undefined),
});
const GET_BLOB = "GET /v2/team/os/blobs/";
const BLOB = bytesOf(300_000);
const put = ({ registry }: Opened, bytes: Uint8Array = BLOB): void => {
  registry.repository("team/os").blobs.set(digestOf(bytes), Buffer.from(bytes));
};

for (const ranges of [true, false]) {
  test(`a blob that is cut at any bytes comes whole, ${ranges ? "and none of it twice" : "also from a registry without ranges"}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(BLOB.length - 1), { minLength: 1, maxLength: 4 }), async (cuts) => {
        await using at = await open({ ranges, ...inTurn(GET_BLOB, ...cuts.map((cutAfter) => ({ cutAfter }))) });
        put(at);
        assert.ok((await collected(at.store.getBlob(describedAs(BLOB)))).equals(BLOB));
        const starts = at
          .asked(GET_BLOB)
          .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers["range"] ?? "bytes=0-")?.[1]));
        assert.deepEqual(
          starts,
          starts.toSorted((a, b) => a - b),
        );
        if (ranges)
          assert.equal(at.asked(GET_BLOB).at(-1)?.headers["if-range"], starts.at(-1) === 0 ? undefined : `"${digestOf(BLOB)}"`);
      }),
      { numRuns: 12 },
    );
  });
}

for (const ranges of [true, false]) {
  test(`a part of a blob that is cut at any bytes comes whole${ranges ? "" : ", also from a registry without ranges"}, and nothing is read beyond it`, async () => {
    const part = fc.tuple(fc.nat(BLOB.length), fc.nat(BLOB.length)).map(([one, two]) => [Math.min(one, two), Math.max(one, two)]);
    await fc.assert(
      fc.asyncProperty(part, fc.array(fc.nat(BLOB.length - 1), { maxLength: 4 }), async ([from = 0, end = 0], cuts) => {
        await using at = await open({ ranges, ...inTurn(GET_BLOB, ...cuts.map((cutAfter) => ({ cutAfter }))) });
        put(at);
        const found = await collected(at.store.readBlob(describedAs(BLOB), { from, length: end - from }));
        assert.ok(found.equals(BLOB.subarray(from, end)));
        for (const { headers } of at.asked(GET_BLOB)) {
          const [, start, last] = /^bytes=(\d+)-(\d*)$/.exec(headers["range"] ?? "bytes=0-") ?? [];
          assert.ok(Number(start) >= from && (last === "" ? end === BLOB.length : Number(last) === end - 1), `${start}-${last}`);
        }
      }),
      { numRuns: 12 },
    );
  });
}

for (const [name, fault, why] of [
  ["from elsewhere", { headers: { "content-range": "bytes 1-100/300000" } }, /from byte 1000 to 1099 of 300000, and the answer/],
  ["that is longer", { headers: { "content-range": "bytes 1000-1100/300000" } }, /from byte 1000 to 1099/],
  ["of something larger", { headers: { "content-range": "bytes 1000-1099/300001" } }, /from byte 1000 to 1099/],
  ["with more bytes than it says", { change: (body) => Buffer.concat([body, body]) }, /more than/],
  ["beyond its end", { status: 416 }, /ends before/],
  ["that is all of something else", { status: 200, body: "hello" }, /5 bytes and not 300000|ends|ended/],
] as const satisfies readonly (readonly [string, Fault, RegExp])[]) {
  test(`a part of a blob ${name} is not taken`, async () => {
    await using at = await open(always(GET_BLOB, fault), { tries: 1 });
    put(at);
    const reading = collected(at.store.readBlob(describedAs(BLOB), { from: 1000, length: 100 }));
    await assert.rejects(reading, (error: Error) => error instanceof StoreError && why.test(error.message));
  });
}

test("a blob that stays cut is given up, after six tries that wait longer and longer", async () => {
  await using at = await open(always(GET_BLOB, { cutAfter: 0 }));
  put(at);
  await assert.rejects(collected(at.store.getBlob(describedAs(BLOB))), { code: "REGISTRY_UNREACHABLE", message: /6 times/ });
  assert.deepEqual(at.waits, [375, 750, 1500, 3000, 6000]);
});

test("a line that brings something each time is not given up", async () => {
  await using at = await open(always(GET_BLOB, { cutAfter: 70_000 }));
  const bytes = bytesOf(1_200_000);
  put(at, bytes);
  assert.ok((await collected(at.store.getBlob(describedAs(bytes)))).equals(bytes));
  assert.ok(at.asked(GET_BLOB).length > 10);
});

const LIES: readonly (readonly [string, Fault | readonly Fault[], RegExp])[] = [
  ["other bytes", { change: (body) => body.with(7, body[7]! ^ 1) as Buffer }, /other bytes/],
  ["fewer bytes", { change: (body) => body.subarray(0, -1) }, /299999 bytes and not 300000/],
  ["more bytes", { change: (body) => Buffer.concat([body, body]) }, /600000 bytes and not 300000/],
  ["an encoding that nobody asked for", { headers: { "content-encoding": "gzip" } }, /encoding/],
  [
    "a part of it from elsewhere",
    [{ cutAfter: 100_000 }, { headers: { "content-range": "bytes 5-299999/300000" } }],
    /asked for from byte/,
  ],
  [
    "a part of something larger",
    [{ cutAfter: 100_000 }, { headers: { "content-range": "bytes 100000-299999/400000" } }],
    /asked for from byte/,
  ],
  ["a part without saying which", [{ cutAfter: 100_000 }, { headers: { "content-range": "some" } }], /asked for from byte/],
  ["a place beyond its end", [{ cutAfter: 100_000 }, { status: 416 }], /ends before/],
  ["other bytes after a cut", [{ cutAfter: 100_000 }, { change: (body) => body.with(7, body[7]! ^ 1) as Buffer }], /other bytes/],
  ["a way into plain nowhere", { status: 307, headers: { location: "ftp://127.0.0.1/x" } }, /place that is none/],
  ["no way at all", { status: 307 }, /place that is none/],
  ["a way to itself, for ever", { status: 307, headers: { location: "?again" } }, /answers 307/],
  ["a status that is no answer", { status: 204 }, /answers 204/],
];
for (const [name, faults, why] of LIES) {
  test(`a registry that gives ${name} is not believed`, async () => {
    const list: readonly Fault[] = Array.isArray(faults) ? (faults as readonly Fault[]) : [faults as Fault];
    await using at = await open(list.length === 1 ? always(GET_BLOB, list[0]!) : inTurn(GET_BLOB, ...list));
    put(at);
    await assert.rejects(collected(at.store.getBlob(describedAs(BLOB))), (error: Error) => {
      assert.ok(error instanceof StoreError && error.code === "REGISTRY_INVALID", String(error));
      assert.match(error.message, why);
      return true;
    });
  });
}

test("of an answer without end no more is read than the blob has", async () => {
  let sent = 0;
  await using server = await serve((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024))) sent += 64 * 1024;
      response.once("drain", more);
    };
    more();
  });
  using context = testContext();
  const store = openStore(parseReference(`http://${server.host}/os`), context);
  let read = 0;
  const reading = (async () => {
    for await (const piece of store.getBlob(describedAs(BLOB))) {
      read += piece.length;
      assert.ok(read <= BLOB.length);
    }
  })();
  await assert.rejects(reading, { code: "REGISTRY_INVALID", message: /more than its 300000 bytes/ });
  assert.ok(sent < 50_000_000);
  await assert.rejects(store.getManifest("v1"), { code: "REGISTRY_INVALID", message: /more than the 4194304 bytes/ });
});

test("a registry that sends a byte now and then is given up like one that sends none", async () => {
  await using at = await open(always(GET_BLOB, { dripMs: 5 }), { tries: 2 }, 500);
  put(at);
  await assert.rejects(collected(at.store.getBlob(describedAs(BLOB))), {
    code: "REGISTRY_UNREACHABLE",
    message: /too little came/,
  });
});

for (const [name, fault, code, tries] of [
  ["is busy", { status: 503 }, "REGISTRY_UNREACHABLE", 6],
  ["is asked too often", { status: 429, headers: { "retry-after": "7" } }, "REGISTRY_RATE_LIMITED", 6],
  ["is asked too often for today", { status: 429, headers: { "retry-after": "3600" } }, "REGISTRY_RATE_LIMITED", 1],
  ["fails", { status: 500 }, "REGISTRY_UNREACHABLE", 6],
  ["denies", { status: 403, body: '{"errors":[{"code":"DENIED","message":"not\\nyours"}]}' }, "REGISTRY_DENIED", 1],
  ["knows no such thing", { status: 404 }, "REGISTRY_NOT_FOUND", 1],
  ["refuses", { status: 400, body: "<html>" }, "REGISTRY_REFUSED", 1],
] as const) {
  test(`a registry that ${name} is ${code} after ${tries === 1 ? "one try" : `${tries} tries`}`, async () => {
    await using at = await open(always("GET /v2/team/os/manifests/v1", fault));
    await assert.rejects(at.store.getManifest("v1"), (error: Error) => {
      assert.ok(error instanceof StoreError && error.code === code && error.hint !== undefined, String(error));
      if (code === "REGISTRY_DENIED")
        assert.match(error.message, /team\/os: manifest v1: does not allow this \(DENIED: not yours\)$/);
      return true;
    });
    assert.equal(at.asked("GET").length, tries);
    if ("headers" in fault && tries > 1) assert.deepEqual(at.waits.slice(0, 2), [7375, 7750]);
  });
}

test("what fails a few times is not noticed", async () => {
  await using at = await open(inTurn("GET", { status: 503 }, { cutAfter: 0 }, { status: 429 }, { cutAfter: 5 }));
  await putArtifact(at.store, bytesOf(10), { tag: "v1" });
  assert.equal((await at.store.getManifest("v1")).descriptor.mediaType, MANIFEST);
  assert.equal(at.waits.length, 4);
});

test("nobody there, and no such name, are told apart", async () => {
  const nobody = await serve(() => {});
  await nobody[Symbol.asyncDispose]();
  using context = testContext();
  await assert.rejects(openStore(parseReference(`http://${nobody.host}/os`), context).getManifest("v1"), {
    ...{ code: "REGISTRY_UNREACHABLE", message: /ECONNREFUSED/ },
  });
  assert.equal(context.waits.length, 5);
  await assert.rejects(openStore(parseReference("http://registry.invalid/os"), context).getManifest("v1"), {
    ...{ code: "REGISTRY_UNREACHABLE", message: /name is not known/ },
  });
  assert.equal(context.waits.length, 5);
});

test("plain HTTP is not spoken unless it is named, also to loopback", async () => {
  await using at = await open();
  using context = testContext();
  await assert.rejects(openStore(parseReference(`${at.registry.host}/team/os`), context).getManifest("v1"), {
    ...{ code: "REGISTRY_UNREACHABLE", message: /does not speak TLS/, hint: /http:\/\// },
  });
  assert.equal(at.registry.asked.length, 0);
});

test("a manifest under another digest, of another type, or that is none is not taken", async () => {
  const wrong = { change: (body: Buffer) => Buffer.from(body.toString().replace("é", "e")) };
  const faults: readonly (readonly [Fault, RegExp])[] = [
    [wrong, /has the digest/],
    [{ headers: { "content-type": "application/vnd.oci.image.index.v1+json" } }, /says that it is/],
    [{ change: () => Buffer.from("[]") }, /has the digest|expected object/],
    [{ headers: { "docker-content-digest": digestOf("x") } }, /has the digest/],
  ];
  for (const [fault, why] of faults) {
    await using at = await open(always("GET /v2/team/os/manifests/", fault));
    const { digest } = await putArtifact(at.store, bytesOf(10), { tag: "v1" });
    await assert.rejects(at.store.getManifest("v1"), { code: "REGISTRY_INVALID", message: why });
    if (fault === wrong) await assert.rejects(at.store.getManifest(digest), { code: "REGISTRY_INVALID", message: why });
  }
});

test("a blob that is cut while it is sent goes on where it was cut, at any bytes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(60_000), { minLength: 1, maxLength: 5 }), fc.boolean(), async (cuts, whole) => {
      await using at = await open(
        {
          fault: (
            (left) =>
            ({ method }: Asked) =>
              method === "PATCH" || method === "PUT" ? left.shift() : undefined
          )(cuts.map((cut): Fault => ({ cutRequestAfter: cut }))),
        },
        { chunk: whole ? 1_000_000 : 64_000 },
      );
      assert.equal(await at.store.putBlob(describedAs(BLOB), sourceOf(BLOB)), "sent");
      assert.ok(at.registry.repository("team/os").blobs.get(digestOf(BLOB))?.equals(BLOB));
    }),
    { numRuns: 12 },
  );
});

for (const [name, method, fault] of [
  ["whose answer to a piece is lost", "PATCH", { loseAnswer: true }],
  ["whose last answer is lost", "PUT", { loseAnswer: true }],
  ["that is busy for a piece", "PATCH", { status: 503 }],
  ["that is busy at the end", "PUT", { status: 503 }],
  ["that forgets the upload", "PATCH", { status: 404 }],
  ["that lost its place", "PATCH", { status: 416 }],
] as const) {
  test(`a registry ${name} gets the blob all the same`, async () => {
    await using at = await open(inTurn(method, fault), { chunk: 64_000 });
    assert.equal(await at.store.putBlob(describedAs(BLOB), sourceOf(BLOB)), "sent");
    assert.ok(at.registry.repository("team/os").blobs.get(digestOf(BLOB))?.equals(BLOB));
  });
}

test("an upload that never gets on is given up, and one that is refused is not tried again", async () => {
  for (const [fault, code, most] of [
    [{ status: 503 }, "REGISTRY_UNREACHABLE", 6],
    [{ status: 404 }, "REGISTRY_NOT_FOUND", 6],
    [{ status: 403 }, "REGISTRY_DENIED", 1],
    [{ status: 413 }, "REGISTRY_REFUSED", 1],
  ] as const) {
    await using at = await open(always("PATCH", fault), { chunk: 64_000 });
    await assert.rejects(at.store.putBlob(describedAs(BLOB), sourceOf(BLOB)), { code });
    assert.ok(at.asked("PATCH").length <= most, `${code}: ${at.asked("PATCH").length}`);
  }
});

test("what the source of a blob has to say is said, and nothing is sent again", async () => {
  await using at = await open({}, { chunk: 64_000 });
  const reading = at.store.putBlob(describedAs(BLOB), async function* (from) {
    yield BLOB.subarray(from, from + 1000);
    throw new Error("the disk has a bad sector");
  });
  await assert.rejects(reading, /bad sector/);
  assert.ok(at.asked("PATCH").length <= 1);
  assert.deepEqual(at.waits, []);
});

test("a blob that another repository of the registry has is not sent again", async () => {
  await using at = await open();
  at.registry.repository("team/other").blobs.set(digestOf(BLOB), Buffer.from(BLOB));
  assert.equal(await at.store.putBlob(describedAs(BLOB), () => assert.fail("it is there"), { from: "team/other" }), "mounted");
  const other = bytesOf(1000, 5);
  assert.equal(await at.store.putBlob(describedAs(other), sourceOf(other), { from: "team/other" }), "sent");
});

test("pieces are as large as the registry wants them", async () => {
  const fault: RegistryOptions["fault"] = ({ method }) =>
    method === "POST" ? { headers: { "oci-chunk-min-length": "100000" } } : undefined;
  await using at = await open({ fault }, { chunk: 64_000 });
  await at.store.putBlob(describedAs(BLOB), sourceOf(BLOB));
  assert.deepEqual(
    at.asked("PATCH").map(({ headers }) => headers["content-range"]),
    ["0-99999", "100000-199999", "200000-299999"],
  );
});

const AUTH = { user: "me", password: "hunter2 hunter2" } as const;
const mine = async (): Promise<Credentials> => ({ kind: "password", ...AUTH });

for (const kind of ["basic", "bearer"] as const) {
  test(`credentials go to the registry that asks for them (${kind}), and not to where it sends on to`, async () => {
    await using elsewhere = await open();
    put(elsewhere);
    await using at = await open(
      { auth: { kind, ...AUTH }, redirectBlobs: `http://${elsewhere.registry.host}` },
      { credentials: mine },
    );
    put(at);
    assert.ok((await collected(at.store.getBlob(describedAs(BLOB)))).equals(BLOB));
    assert.equal(elsewhere.registry.asked.length, 1);
    assert.equal(elsewhere.registry.asked[0]!.headers["authorization"], undefined);
    assert.ok(at.registry.asked.at(-1)!.headers["authorization"]);
  });

  test(`who has no credentials, or wrong ones, is told so (${kind}), without them`, async () => {
    for (const [credentials, why] of [
      [async () => undefined, /no credentials|has no/],
      [async (): Promise<Credentials> => ({ kind: "password", user: "me", password: "hunter3" }), /let in/],
    ] as const) {
      await using at = await open({ auth: { kind, ...AUTH } }, { credentials });
      await assert.rejects(at.store.getManifest("v1"), (error: Error) => {
        assert.ok(error instanceof StoreError && error.code === "REGISTRY_DENIED" && why.test(error.message), String(error));
        assert.doesNotMatch(JSON.stringify([error.message, error.hint]), /hunter/);
        return true;
      });
    }
  });
}

test("nobody is asked for credentials that no registry wants", async () => {
  await using at = await open({}, { credentials: async () => assert.fail("nobody asked") });
  await putArtifact(at.store, bytesOf(10), { tag: "v1" });
});

test("one token does for all requests of a kind, and a push asks for no more than one", async () => {
  await using at = await open({ auth: { kind: "bearer", ...AUTH } }, { credentials: mine });
  await putArtifact(at.store, bytesOf(10), { tag: "v1" });
  assert.equal(at.asked("GET /token").length, 1);
  await Promise.all([at.store.getManifest("v1"), at.store.getManifest("v1"), at.store.headManifest("v1")]);
  assert.equal(at.asked("GET /token").length, 2);
});

test("a token that would be a second header is no token", async () => {
  await using at = await open(
    { auth: { kind: "bearer", ...AUTH }, ...always("GET /token", { change: () => Buffer.from('{"token":"a\\r\\nx-evil: 1"}') }) },
    { credentials: mine },
  );
  await assert.rejects(at.store.getManifest("v1"), { code: "REGISTRY_INVALID", message: /token that is none/ });
});

test("a page of a list that would lead elsewhere is not asked for", async () => {
  await using elsewhere = await open();
  const link = `<http://${elsewhere.registry.host}/v2/team/os/tags/list?last=x>; rel="next"`;
  await using at = await open(always("GET /v2/team/os/tags", { headers: { link } }));
  await assert.rejects(Array.fromAsync(at.store.tags()), { code: "REGISTRY_INVALID", message: /next page elsewhere/ });
  assert.equal(elsewhere.registry.asked.length, 0);
});

test("a referrer that two push at once where there is no API for it is not lost", async () => {
  const taken: string[] = [];
  await using at = await open({ referrers: false });
  const { digest, size, mediaType } = await putArtifact(at.store, bytesOf(100), { tag: "v1" });
  const subject = { mediaType, digest, size };
  const first = await putArtifact(at.store, bytesOf(1), { subject });
  // Somebody else read the index before ours was in it, and writes theirs after it.
  const { manifests, tags } = at.registry.repository("team/os");
  const before = tags.get(digest.replace(":", "-"))!;
  let stolen = false;
  const slow = openStore(parseReference(`http://${at.registry.host}/team/os`), {
    ...testContext(),
    http: async (request) => {
      using client = testContext();
      const answer = await client.http(request).then(async (response) => ({
        ...response,
        body: [await collected(response.body)] as unknown as AsyncIterable<Uint8Array>,
      }));
      if (request.method === "PUT" && request.url.includes(digest.replace(":", "-")) && !stolen) {
        stolen = true;
        tags.set(digest.replace(":", "-"), before);
        taken.push("once");
      }
      return answer;
    },
  });
  const second = await putArtifact(slow, bytesOf(2), { subject });
  assert.deepEqual(taken, ["once"]);
  assert.ok(manifests.has(second.digest));
  assert.deepEqual(
    (await at.store.referrers(digest)).map((one) => one.digest).toSorted(),
    [first.digest, second.digest].toSorted(),
  );
});

test("whatever a registry answers with, the error is one of the store's", async () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.constantFrom('{"schemaVersion":2,"manifests":[{}]}', '{"tags":["../x"]}', '{"tags":7}', "null"),
  );
  const header = fc.constantFrom(
    "location",
    "link",
    "content-range",
    "docker-content-digest",
    "content-type",
    "retry-after",
    "www-authenticate",
    "range",
    "etag",
  );
  const value = fc.oneof(
    fc.constantFrom('Bearer realm="x"', "Bearer realm=http://127.0.0.1:1/t", "<x>; rel=next", "bytes 0-0/1", "0-5", ":", "//"),
    fc.stringMatching(/^[ -~]{0,40}$/),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(200, 201, 202, 206, 301, 307, 400, 401, 404, 416, 429, 503),
      text,
      fc.dictionary(header, value, { maxKeys: 3 }),
      async (status, body, headers) => {
        await using server = await serve((request, response) => {
          request.resume();
          response.writeHead(status, headers).end(body);
        });
        using context = testContext({ tries: 2 });
        const store = openStore(parseReference(`http://${server.host}/os`), context);
        const digest = digestOf("x");
        const calls: readonly (() => Promise<unknown>)[] = [
          async () => await store.getManifest("v1"),
          async () => await store.headManifest(digest),
          async () => await collected(store.getBlob({ digest, size: 1 })),
          async () => await store.referrers(digest),
          async () => await store.putBlob({ digest, size: 1 }, sourceOf(new TextEncoder().encode("x"))),
          async () => await store.putManifest(new TextEncoder().encode("{}"), MANIFEST, { tag: "v1" }),
          async () => {
            let pages = 0;
            for await (const _ of store.tags()) if (++pages > 10) return;
          },
        ];
        for (const call of calls) {
          await call().catch((error: unknown) =>
            assert.ok(error instanceof StoreError, `${String(error)} ${(error as Error).stack}`),
          );
        }
      },
    ),
    { numRuns: 60 },
  );
});

const INVALID_DIGEST: Fault = {
  status: 400,
  body: JSON.stringify({ errors: [{ code: "DIGEST_INVALID", message: "provided digest did not match uploaded content" }] }),
};
const PUT_MANIFEST = "PUT /v2/team/os/manifests/";

test("a manifest whose digest is refused while others push the same is sent again", async () => {
  await using at = await open(inTurn(PUT_MANIFEST, INVALID_DIGEST, INVALID_DIGEST));
  const { digest } = await putArtifact(at.store, bytesOf(100), { tag: "v1" });
  assert.equal((await at.store.getManifest("v1")).descriptor.digest, digest);
  assert.equal(at.asked(PUT_MANIFEST).length, 3);
});

test("a manifest whose digest is refused each time is refused with what the registry says", async () => {
  await using at = await open(always(PUT_MANIFEST, INVALID_DIGEST));
  await assert.rejects(putArtifact(at.store, bytesOf(100), { tag: "v1" }), {
    code: "REGISTRY_REFUSED",
    message: /manifest v1: refuses with status 400 \(DIGEST_INVALID: provided digest did not match uploaded content\)/,
  });
});
