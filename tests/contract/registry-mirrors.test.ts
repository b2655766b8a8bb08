/** Mirrors: asked first, believed in nothing, and missed by nobody. */
import assert from "node:assert/strict";
import { mkdtemp, mkdtempDisposable, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openPace } from "../../src/core/pace.ts";
import { run } from "../../src/host/run.ts";
import { registryContext } from "../../src/registry/context.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference, type RegistryReference } from "../../src/registry/reference.ts";
import { wholeBlob } from "../../src/registry/read-blob.ts";
import type { ImageStore } from "../../src/registry/store.ts";
import { digestOf, testRegistry, type Fault, type RegistryOptions, type TestRegistry } from "../support/registry.ts";
import { bytesOf, collected, describedAs, putArtifact, storeContract, testContext } from "../support/store-contract.ts";

interface Opened extends AsyncDisposable {
  readonly mirror: TestRegistry;
  readonly own: TestRegistry;
  readonly store: ImageStore;
}
async function open(ofMirror: RegistryOptions = {}, ofOwn: RegistryOptions = {}): Promise<Opened> {
  const mirror = await testRegistry(ofMirror);
  const own = await testRegistry(ofOwn);
  const context = testContext({ tries: 2 });
  const reference = parseReference(`http://${mirror.host}/cache/team/os`) as RegistryReference;
  return {
    ...{ mirror, own },
    store: openStore(parseReference(`http://${own.host}/team/os`), { ...context, mirrors: [{ reference, context }] }),
    [Symbol.asyncDispose]: async () => {
      context[Symbol.dispose]();
      await mirror[Symbol.asyncDispose]();
      await own[Symbol.asyncDispose]();
    },
  };
}
const BLOB = bytesOf(300_000);
const putBoth = ({ mirror, own }: Opened): void => {
  mirror.repository("cache/team/os").blobs.set(digestOf(BLOB), Buffer.from(BLOB));
  own.repository("team/os").blobs.set(digestOf(BLOB), Buffer.from(BLOB));
};
const always = (fault: Fault): RegistryOptions => ({ fault: () => fault });

for (const [name, options] of [
  ["that has nothing", {}],
  ["that is busy", always({ status: 503 })],
  ["that lets nobody in", always({ status: 401 })],
  ["that says nonsense", always({ change: () => Buffer.from("nonsense") })],
] as const) {
  storeContract(`a registry with a mirror ${name}`, async () => await open(options));
}

test("what a mirror has is not asked of the registry itself, and what is written goes to that alone", async () => {
  await using at = await open();
  const elsewhere = testContext();
  const direct = openStore(parseReference(`http://${at.mirror.host}/cache/team/os`), elsewhere);
  const made = await putArtifact(direct, BLOB, { tag: "v1" });
  await putArtifact(direct, bytesOf(5), { subject: made });
  const asked = at.mirror.asked.length;
  assert.equal((await at.store.getManifest("v1")).descriptor.digest, made.digest);
  assert.equal((await at.store.headManifest("v1"))?.digest, made.digest);
  assert.ok((await collected(at.store.getBlob(describedAs(BLOB)))).equals(BLOB));
  assert.ok((await collected(at.store.readBlob(describedAs(BLOB), { from: 5, length: 10 }))).equals(BLOB.subarray(5, 15)));
  assert.equal((await at.store.referrers(made.digest)).length, 1);
  assert.equal(at.own.asked.length, 0);
  assert.equal(at.mirror.asked.length, asked + 5);
  await putArtifact(at.store, bytesOf(100), { tag: "v2" });
  assert.equal(at.mirror.asked.length, asked + 5);
  assert.deepEqual(await Array.fromAsync(at.store.tags()), ["v2"]);
  elsewhere[Symbol.dispose]();
});

test("a mirror that is cut in the middle of a blob is left, and the registry itself gives the rest", async () => {
  await using at = await open({ fault: ({ url }) => (url.includes("/blobs/") ? { cutAfter: 40_000 } : undefined) });
  putBoth(at);
  assert.ok((await collected(at.store.getBlob(describedAs(BLOB)))).equals(BLOB));
  assert.equal(at.own.asked[0]?.headers["range"], "bytes=80000-");
  assert.ok((await collected(at.store.getBlob(describedAs(BLOB)))).equals(BLOB));
  assert.equal(at.mirror.asked.length, 2);
});

test("a mirror that gives other bytes is not believed, named, and asked no more", async () => {
  await using at = await open({ fault: () => ({ change: (body) => body.with(7, body[7]! ^ 1) as Buffer }) });
  putBoth(at);
  await assert.rejects(collected(at.store.getBlob(describedAs(BLOB))), (error: Error & { code?: string }) => {
    assert.equal(error.code, "REGISTRY_INVALID");
    assert.ok(error.message.startsWith(`${at.mirror.host}/cache/team/os: blob`), error.message);
    return true;
  });
  assert.ok((await collected(at.store.getBlob(describedAs(BLOB)))).equals(BLOB));
  assert.equal(at.mirror.asked.length, 1);
});

test("a blob that a mirror has otherwise is read again where it is right, once it has to be whole", async () => {
  await using at = await open({ fault: () => ({ change: (body) => body.with(7, body[7]! ^ 1) as Buffer }) });
  putBoth(at);
  assert.ok(Buffer.from(await wholeBlob(at.store, describedAs(BLOB), BLOB.length, {})).equals(BLOB));
  assert.deepEqual([at.mirror.asked.length, at.own.asked.length], [1, 1]);
  await using wrong = await open({}, { fault: () => ({ change: (body) => body.with(7, body[7]! ^ 1) as Buffer }) });
  wrong.own.repository("team/os").blobs.set(digestOf(BLOB), Buffer.from(BLOB));
  await assert.rejects(wholeBlob(wrong.store, describedAs(BLOB), BLOB.length, {}), { code: "REGISTRY_INVALID" });
  assert.equal(wrong.own.asked.length, 1);
});

test("a mirror with another manifest under a digest is passed over", async () => {
  await using at = await open({ fault: () => ({ change: (body) => Buffer.concat([body, Buffer.from(" ")]) }) });
  const direct = testContext();
  const made = await putArtifact(openStore(parseReference(`http://${at.own.host}/team/os`), direct), BLOB, { tag: "v1" });
  const { type, bytes } = at.own.repository("team/os").manifests.get(made.digest)!;
  at.mirror.repository("cache/team/os").manifests.set(made.digest, { type, bytes });
  assert.equal((await at.store.getManifest(made.digest)).descriptor.digest, made.digest);
  direct[Symbol.dispose]();
});

test("where neither has an answer, it is the registry's own failure that is told", async () => {
  await using at = await open({}, always({ status: 403 }));
  await assert.rejects(at.store.getManifest("v1"), { code: "REGISTRY_DENIED" });
  await assert.rejects(Array.fromAsync(at.store.tags()), { code: "REGISTRY_DENIED" });
  at.mirror.repository("cache/team/os").tags.set("v1", digestOf("x"));
  assert.deepEqual(await Array.fromAsync(at.store.tags()), ["v1"]);
});

test("settings in a file say mirrors and plain HTTP; a file that was named has to be there, and be right", async () => {
  await using mirror = await testRegistry();
  await using own = await testRegistry();
  const folder = await mkdtemp(join(tmpdir(), "petrify-registries-"));
  try {
    const path = join(folder, "registries.yaml");
    const settings = { ...{ environment: {}, run, random: () => 0, now: () => 0 }, registriesFile: { path, needed: false } };
    const reference = parseReference(`${own.host}/team/os`) as RegistryReference;
    await using stack = new AsyncDisposableStack();
    const opened = async (): Promise<ImageStore> => openStore(reference, stack.use(await registryContext(settings, reference)));
    await assert.rejects((await opened()).getManifest("v1"), { code: "REGISTRY_UNREACHABLE", hint: /http:\/\// });
    const plain = `registries: {'${own.host}': {plainHttp: true}}`;
    await writeFile(path, plain);
    const made = await putArtifact(await opened(), BLOB, { tag: "v1" });
    await writeFile(
      path,
      `registries: {'${own.host}/team': {plainHttp: true, mirrors: ['${mirror.host}/cache']}, '${mirror.host}': {plainHttp: true}}`,
    );
    const before = mirror.asked.length;
    assert.equal((await (await opened()).getManifest("v1")).descriptor.digest, made.digest);
    assert.deepEqual(
      mirror.asked.slice(before).map(({ url }) => url),
      ["/v2/cache/os/manifests/v1"],
    );
    await writeFile(path, `registries: {'${own.host}': {ca: missing.pem}}`);
    await assert.rejects(opened(), { code: "CA_INVALID", message: new RegExp(`${folder}/missing.pem`) });
    await writeFile(path, "registries: 5");
    await assert.rejects(opened(), { code: "REGISTRIES_INVALID" });
    await rm(path);
    const needed = { ...settings, registriesFile: { path, needed: true } };
    await assert.rejects(registryContext(needed, reference), { code: "REGISTRIES_INVALID", message: /ENOENT/ });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("what may come a second counts for a registry and its mirrors together, and for everything that comes at once", async () => {
  await using mirror = await testRegistry();
  await using own = await testRegistry();
  await using folder = await mkdtempDisposable(join(tmpdir(), "petrify-registries-"));
  const path = join(folder.path, "registries.yaml");
  await writeFile(
    path,
    `registries: {'${own.host}': {plainHttp: true, mirrors: ['http://${mirror.host}']}, '${mirror.host}': {plainHttp: true}}`,
  );
  const blobs = [1, 2, 3, 4].map((seed) => bytesOf(300_000, seed));
  for (const [index, bytes] of blobs.entries())
    (index < 2 ? mirror : own).repository("team/os").blobs.set(digestOf(bytes), Buffer.from(bytes));
  let time = 0;
  const pace = openPace({
    bytes: 100_000,
    now: () => time,
    sleep: async (ms) => {
      const until = time + ms;
      await Promise.resolve();
      time = Math.max(time, until);
    },
  });
  const settings = { environment: {}, run, random: () => 0, now: () => 0, pace, registriesFile: { path, needed: true } };
  const reference = parseReference(`${own.host}/team/os`) as RegistryReference;
  using context = await registryContext(settings, reference);
  const store = openStore(reference, context);
  const came = await Promise.all(blobs.map(async (bytes) => await wholeBlob(store, describedAs(bytes), 300_000, {})));
  assert.deepEqual(came.map(digestOf), blobs.map(digestOf));
  assert.deepEqual([mirror.asked.length, own.asked.length], [4, 2], "both have given some");
  const spent = 12_000 - 250;
  assert.ok(time >= spent && time < spent + 10, `${time} ms, with what the mirror says of the two that it lacks`);
});
