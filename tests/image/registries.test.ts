/** A registry and a client that others wrote: what one puts there, the other takes. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { httpClient } from "../../src/host/http-client.ts";
import type { Tools } from "../../src/host/tools.ts";
import type { Credentials } from "../../src/registry/docker-config.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import type { RegistryContext } from "../../src/registry/registry-store.ts";
import type { ImageStore } from "../../src/registry/store.ts";
import { debianRegistry, PASSWORD, USER, type Debian } from "../support/debian-registry.ts";
import { image, layout, writeFiles } from "../support/oci.ts";
import { testRegistry } from "../support/registry.ts";
import { bytesOf, collected, describedAs, putArtifact, sourceOf, storeContract, testContext } from "../support/store-contract.ts";
import { file, tar } from "../support/tar.ts";
import { testTools } from "../support/tools.ts";

const mine = async (): Promise<Credentials> => ({ kind: "password", user: USER, password: PASSWORD });

/** A context whose connections trust that authority. */
function trusting(ca: string, more: Partial<RegistryContext> = {}): RegistryContext & Disposable {
  const client = httpClient({ ca });
  const context = testContext();
  context[Symbol.dispose]();
  return { ...context, http: client.http, credentials: mine, ...more, [Symbol.dispose]: () => client[Symbol.dispose]() };
}

describe("Debian's docker-registry, with TLS and a password", { timeout: 300_000 }, () => {
  let folder: string;
  let registry: Debian;
  let repositories = 0;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "petrify-registry-"));
    registry = await debianRegistry(folder);
  });
  after(async () => {
    await registry?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  for (const [name, chunk] of [
    ["in one piece", 16_000_000],
    ["in pieces", 64_000],
  ] as const) {
    storeContract(`docker-registry, ${name}`, async () => {
      const context = trusting(registry.ca, { chunk });
      return {
        store: openStore(parseReference(`${registry.host}/team/os-${repositories++}`), context),
        [Symbol.asyncDispose]: async () => context[Symbol.dispose](),
      };
    });
  }

  test("an upload that is cut in the middle of a piece arrives: this registry then forgets it, and it is begun anew", async () => {
    const cut = new Set([1, 4]);
    let pieces = 0;
    const plain = trusting(registry.ca);
    using context = trusting(registry.ca, {
      chunk: 1_000_000,
      http: async (request) => {
        const { body } = request;
        if (request.method !== "PATCH" || !body || !cut.has(++pieces)) return await plain.http(request);
        const stop = new AbortController();
        const chunks = async function* (): AsyncGenerator<Uint8Array> {
          let sent = 0;
          for await (const piece of body.chunks()) {
            yield piece;
            if ((sent += piece.length) > 500_000) await setTimeout(50).then(() => stop.abort(new Error("cut")));
          }
        };
        return await plain.http({ ...request, signal: stop.signal, body: { ...body, chunks } });
      },
    });
    const store = openStore(parseReference(`${registry.host}/team/cut`), context);
    const bytes = bytesOf(3_500_000, 3);
    const starts: number[] = [];
    const source = (from: number): AsyncIterable<Uint8Array> => {
      starts.push(from);
      return sourceOf(bytes)(from);
    };
    assert.equal(await store.putBlob(describedAs(bytes), source), "sent");
    assert.ok((await collected(store.getBlob(describedAs(bytes)))).equals(bytes));
    const anew = [0, 0, 1_000_000, 2_000_000, 0, 1_000_000, 2_000_000, 3_000_000];
    assert.deepEqual(starts, anew);
    plain[Symbol.dispose]();
  });

  test("a blob of another repository of it is mounted", async () => {
    using context = trusting(registry.ca);
    const bytes = bytesOf(200_000, 4);
    await openStore(parseReference(`${registry.host}/team/from`), context).putBlob(describedAs(bytes), sourceOf(bytes));
    const store = openStore(parseReference(`${registry.host}/team/to`), context);
    assert.equal(await store.putBlob(describedAs(bytes), () => assert.fail("it is there"), { from: "team/from" }), "mounted");
    assert.ok((await collected(store.getBlob(describedAs(bytes)))).equals(bytes));
  });

  test("its certificate is not trusted by itself, a wrong password is denied, and what is wrong is said", async () => {
    const reference = parseReference(`${registry.host}/team/os`);
    using strangers = testContext();
    await assert.rejects(openStore(reference, strangers).getManifest("v1"), {
      code: "REGISTRY_UNTRUSTED",
      message: /not trusted: self-signed/,
    });
    assert.deepEqual(strangers.waits, []);
    for (const credentials of [
      async () => undefined,
      async (): Promise<Credentials> => ({ kind: "password", user: USER, password: "no" }),
    ]) {
      using context = trusting(registry.ca, { credentials });
      await assert.rejects(openStore(reference, context).getManifest("v1"), { code: "REGISTRY_DENIED" });
    }
  });

  test("skopeo takes from it what petrify put there, and petrify what skopeo put there, referrers by their tag", async () => {
    using context = trusting(registry.ca);
    const certificates = join(folder, "certificates");
    await mkdir(certificates, { recursive: true });
    await writeFile(join(certificates, "ca.crt"), registry.ca);
    const store = openStore(parseReference(`${registry.host}/team/skopeo`), context);
    await bothWays(store, `docker://${registry.host}/team/skopeo`, folder, [
      "--CREDS",
      `${USER}:${PASSWORD}`,
      "--CERT-DIR",
      certificates,
    ]);
  });
});

for (const referrers of [true, false]) {
  test(
    `the registry of the tests ${referrers ? "" : "without the API for referrers "}is one that skopeo accepts`,
    { timeout: 120_000 },
    async () => {
      await using registry = await testRegistry({ referrers });
      using context = testContext();
      const folder = await mkdtemp(join(tmpdir(), "petrify-skopeo-"));
      try {
        const store = openStore(parseReference(`http://${registry.host}/team/os`), context);
        await bothWays(store, `docker://${registry.host}/team/os`, folder, ["--TLS-VERIFY=false"]);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );
}

test("skopeo takes from a folder what petrify put there, and petrify what skopeo put there", { timeout: 120_000 }, async () => {
  using context = testContext();
  const folder = await mkdtemp(join(tmpdir(), "petrify-skopeo-"));
  try {
    await bothWays(openStore(parseReference(`oci:${folder}/store`), context), `oci:${folder}/store`, folder, []);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test(
  "skopeo takes from an archive what petrify put there, and petrify from one that skopeo made",
  { timeout: 120_000 },
  async () => {
    using context = testContext();
    const tools = await testTools("containers");
    const folder = await mkdtemp(join(tmpdir(), "petrify-skopeo-"));
    const open = (name: string): ImageStore => openStore(parseReference(name), context);
    try {
      await writeFiles(join(folder, "made"), layout(image([tar(file("etc/hello", "hello\n"))], { tag: "made" })));
      const [ours, theirs] = [`oci-archive:${folder}/ours.tar`, `oci-archive:${folder}/theirs.tar`];
      const { descriptor } = await copied(open(`oci:${folder}/made`), "made", open(ours), "v1");
      // With more in it than one image.
      await putArtifact(open(ours), bytesOf(1000), { subject: descriptor, tag: "more" });
      await skopeo(tools, folder, ["copy", `${ours}:v1`, `oci:${folder}/taken:v1`]);
      assert.equal((await open(`oci:${folder}/taken`).getManifest("v1")).descriptor.digest, descriptor.digest);

      await skopeo(tools, folder, ["copy", `oci:${folder}/made:made`, `${theirs}:v2`]);
      assert.deepEqual(await Array.fromAsync(open(theirs).tags()), ["v2"]);
      const back = await copied(open(theirs), "v2", open(`oci:${folder}/back`), "v2");
      assert.equal(back.descriptor.digest, descriptor.digest);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

/** @param options of skopeo's for the store; in capitals, since they have another name for where it copies from and to */
async function bothWays(store: ImageStore, name: string, folder: string, options: readonly string[]): Promise<void> {
  const tools = await testTools("containers");
  const sided = (side: "src" | "dest"): string[] =>
    options.map((option) => option.replace(/^--[A-Z-]+/, (word) => `--${side}-${word.slice(2).toLowerCase()}`));
  const made = image([tar(file("etc/hello", "hello\n"))], { tag: "made" });
  const layers = layout(made);
  await writeFiles(join(folder, "made"), layers);
  const from = openStore(parseReference(`oci:${folder}/made`), testContext());

  const { descriptor } = await copied(from, "made", store, "v1");
  await skopeo(tools, folder, ["copy", ...sided("src"), `${name}:v1`, `oci:${folder}/taken:v1`]);
  const taken = openStore(parseReference(`oci:${folder}/taken`), testContext());
  assert.equal((await taken.getManifest("v1")).descriptor.digest, descriptor.digest);

  await skopeo(tools, folder, ["copy", ...sided("dest"), `oci:${folder}/made:made`, `${name}:v2`]);
  assert.equal((await store.getManifest("v2")).descriptor.digest, descriptor.digest);
  assert.deepEqual((await Array.fromAsync(store.tags())).toSorted(), ["v1", "v2"]);
  const back = openStore(parseReference(`oci:${folder}/back`), testContext());
  await copied(store, "v2", back, "v2");

  const referrer = await putArtifact(store, bytesOf(1000), {
    subject: descriptor,
    artifactType: "application/vnd.test.signature",
  });
  assert.deepEqual(
    (await store.referrers(descriptor.digest)).map(({ digest }) => digest),
    [referrer.digest],
  );
  if (name.startsWith("docker:")) {
    const inspected = await skopeo(tools, folder, [
      "inspect",
      "--raw",
      ...sided("src").map((one) => one.replace("--src-", "--")),
      `${name}@${referrer.digest}`,
    ]);
    assert.equal(inspected, Buffer.from(referrer.bytes).toString());
  }
}

/** Copies an image with its blobs. */
async function copied(from: ImageStore, tag: string, to: ImageStore, as: string): ReturnType<ImageStore["getManifest"]> {
  const found = await from.getManifest(tag);
  const { config, layers } = JSON.parse(Buffer.from(found.bytes).toString()) as { config: Blob; layers: Blob[] };
  for (const blob of [config, ...layers]) {
    const bytes = await collected(from.getBlob(blob));
    await to.putBlob(blob, sourceOf(bytes));
  }
  await to.putManifest(found.bytes, found.descriptor.mediaType, { tag: as });
  return found;
}
interface Blob {
  readonly digest: string;
  readonly size: number;
}

async function skopeo(tools: Tools, folder: string, argv: readonly string[]): Promise<string> {
  const { stdout } = await tools.run(["skopeo", "--insecure-policy", ...argv], {
    // It unpacks archives there.
    ...{ binds: [folder, "/var/tmp"].map((target) => ({ source: folder, target, writable: true })) },
    ...{ network: true, timeoutMs: 60_000 },
  });
  return stdout;
}
