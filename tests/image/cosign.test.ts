import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { SignatureClaim } from "../../src/core/signature.ts";
import { currentCaller } from "../../src/host/caller.ts";
import { ecdsa } from "../../src/host/ecdsa.ts";
import { run } from "../../src/host/run.ts";
import { sha256 } from "../../src/host/sha256.ts";
import { encryptSigningKey, newSigningKey, openSigningKey, plainSigningKey } from "../../src/host/signing-key.ts";
import { inMountNamespace, type Tools } from "../../src/host/tools.ts";
import { OCI_MEDIA, type Descriptor } from "../../src/layout/oci-image.ts";
import { formatPublicKey, parsePublicKey } from "../../src/layout/public-key.ts";
import { statement } from "../../src/release/in-toto.ts";
import { descriptorOf, referrer } from "../../src/release/oci-artifact.ts";
import { provenance, PROVENANCE_TYPE } from "../../src/release/provenance.ts";
import {
  BUNDLE_MEDIA,
  bundleReferrer,
  digestClaim,
  fileClaim,
  signDigest,
  signFile,
  signStatement,
  statementClaim,
} from "../../src/release/sigstore-bundle.ts";
import { readSignatureImage, signatureImage, signatureTag, signSimple, simpleClaim } from "../../src/release/simple-signing.ts";
import { claimsAbout } from "../../src/release/judge-release.ts";
import { firstKeys } from "../../src/release/change-keys.ts";
import { signersOf } from "../../src/release/signers.ts";
import { findSignatures } from "../../src/registry/open-release.ts";
import { openStore } from "../../src/registry/open-store.ts";
import { parseReference } from "../../src/registry/reference.ts";
import { signRelease } from "../../src/registry/sign-release.ts";
import { dockerRegistry, pusher } from "../support/docker-registry.ts";
import { someBuild } from "../support/provenance.ts";
import { testContext } from "../support/store-contract.ts";
import { testTools } from "../support/tools.ts";

const full = process.env["PETRIFY_TEST"] === "full";
const PASSWORD = "correct horse";
const says = async (): Promise<string> => await Promise.resolve(PASSWORD);
const OFFLINE = "--insecure-ignore-tlog=true";
const limits = { timeoutMs: 120_000 };

type Cosign = (...args: string[]) => Promise<string>;

/** A registry with a release in it, our key and another one, and a cosign that finds all of it in the folder that it works in. */
async function place(cosignOf: (tools: Tools, folder: string) => Promise<Cosign>) {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await mkdtempDisposable(join(tmpdir(), "petrify-cosign-"))).path;
  const tools = await testTools("registries");
  const { host } = cleanup.use(await dockerRegistry(tools, folder));
  const registry = pusher(host, "edge");
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: "", size: 0 };
  // The artifact itself is of no matter here: its manifest has a digest.
  const { manifest, blobs } = referrer({
    ...{
      subject: descriptorOf(config.mediaType, new Uint8Array(), sha256),
      artifactType: "application/vnd.petrify.test",
      sha256,
    },
    ...{ bytes: new TextEncoder().encode("release"), annotations: {} },
  });
  const { subject: _, ...plain } = JSON.parse(new TextDecoder().decode(manifest));
  const bytes = new TextEncoder().encode(JSON.stringify(plain));
  const subject = await registry.push({ manifest: bytes, blobs }, "1.5.0");
  const key = await newSigningKey();
  const write = async (name: string, content: string | Uint8Array): Promise<void> => await writeFile(join(folder, name), content);
  await write("edge.key", await encryptSigningKey(key.pkcs8, PASSWORD, randomBytes));
  await write("edge.pub", formatPublicKey(key.publicKey));
  await write("other.pub", formatPublicKey((await newSigningKey()).publicKey));
  await write("manifest.json", bytes);
  const cosign = await cosignOf(tools, folder);
  const read = async (name: string): Promise<string> => await readFile(join(folder, name), "utf8");
  const scope = cleanup.move();
  return {
    ...{
      registry,
      subject,
      bytes,
      key,
      cosign,
      write,
      read,
      repository: `${host}/edge`,
      image: `${host}/edge@${subject.digest}`,
    },
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}
type Place = Awaited<ReturnType<typeof place>>;

const debian = async (tools: Tools, folder: string): Promise<Cosign> =>
  await Promise.resolve(async (...args) => {
    const env = { COSIGN_PASSWORD: PASSWORD, COSIGN_YES: "true" };
    const { stdout } = await tools.run(["cosign", ...args], {
      ...limits,
      env,
      cwd: folder,
      network: true,
      binds: [{ source: folder, writable: true }],
    });
    return stdout;
  });

const by = (publicKey: Uint8Array, claim: SignatureClaim | undefined): boolean =>
  claim !== undefined && ecdsa.verify(publicKey, claim);

/** What the image of signatures claims. */
async function claims({ registry, subject }: Place): Promise<readonly (SignatureClaim | undefined)[]> {
  const found = readSignatureImage(await registry.manifest(signatureTag(subject.digest)), "edge");
  return await Promise.all(
    found.map(async ({ payload, signature }) =>
      simpleClaim({ payload: await registry.blob(payload.digest), signature }, subject.digest),
    ),
  );
}

suite("cosign 2", () => {
  test("takes our signature, and adds its own, which we take, and leave when we sign again", async () => {
    await using at = await place(debian);
    const { subject, key, cosign, repository, image } = at;
    await assert.rejects(cosign("verify", "--key=edge.pub", OFFLINE, image), /no signatures found/);
    using context = testContext();
    const store = openStore(parseReference(`http://${repository}`), context);
    await signRelease(store, subject, key, { now: 1_900_000_000 });
    assert.equal(JSON.parse(await cosign("verify", "--key=edge.pub", OFFLINE, image)).length, 1);
    await assert.rejects(cosign("verify", "--key=other.pub", OFFLINE, image), /invalid signature/);

    await cosign("generate-key-pair", "--output-key-prefix=theirs");
    await cosign("sign", "--key=theirs.key", "--tlog-upload=false", image);
    const theirs = parsePublicKey(await at.read("theirs.pub"), "theirs.pub");
    const found = await claims(at);
    assert.deepEqual(
      found.map((claim) => [by(key.publicKey, claim), by(theirs, claim)]),
      [
        [true, false],
        [false, true],
      ],
    );
    const late = await newSigningKey();
    await at.write("late.pub", formatPublicKey(late.publicKey));
    await signRelease(store, subject, late, { now: 1_900_000_000 });
    for (const pub of ["edge.pub", "theirs.pub", "late.pub"]) await cosign("verify", `--key=${pub}`, OFFLINE, image);
    const all = claimsAbout(subject.digest, await findSignatures(store, subject));
    const trusted = firstKeys([key.publicKey, theirs, late.publicKey], sha256);
    assert.equal(signersOf(all, trusted, ecdsa).length, 3);
  });

  test("makes keys that we open, and opens ours", async () => {
    await using at = await place(debian);
    await at.cosign("generate-key-pair", "--output-key-prefix=theirs");
    const theirs = await openSigningKey(await at.read("theirs.key"), "theirs.key", says);
    assert.deepEqual(theirs.publicKey, parsePublicKey(await at.read("theirs.pub"), "theirs.pub"));
    assert.equal(await at.cosign("public-key", "--key=edge.key"), formatPublicKey(at.key.publicKey));
  });

  test("takes our bundles, of a file and of a statement, and we take its own", async () => {
    await using at = await place(debian);
    const { key, cosign, write, read, bytes, subject } = at;
    // Without one of its own cosign asks the network for it.
    await write("root.json", JSON.stringify({ mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1" }));
    const bundle = ["--new-bundle-format", "--bundle=bundle.json"] as const;
    const check = ["--key=edge.pub", "--trusted-root=root.json", OFFLINE, ...bundle, "manifest.json"];

    await write("bundle.json", signFile(bytes, key, sha256));
    await cosign("verify-blob", ...check);
    await assert.rejects(cosign("verify-blob", ...check.with(0, "--key=other.pub")), /could not verify/);
    await cosign("sign-blob", "--key=edge.key", "--tlog-upload=false", ...bundle, "manifest.json");
    assert.ok(by(key.publicKey, fileClaim(new TextEncoder().encode(await read("bundle.json")), bytes, sha256)));

    const type = "https://petrify.example/test/v1";
    await write("bundle.json", signStatement(statement(subject.digest, type, { good: true }), key, sha256));
    await cosign("verify-blob-attestation", `--type=${type}`, ...check);
    await assert.rejects(
      cosign("verify-blob-attestation", `--type=${type}`, ...check.with(0, "--key=other.pub")),
      /could not verify/,
    );
    await write("predicate.json", '{"good":true}');
    const attest = ["--predicate=predicate.json", `--type=${type}`, "--key=edge.key", "--tlog-upload=false", ...bundle];
    await cosign("attest-blob", ...attest, "manifest.json");
    const found = statementClaim(new TextEncoder().encode(await read("bundle.json")), subject.digest);
    assert.ok(by(key.publicKey, found?.claim));
    assert.deepEqual([found?.statement.predicateType, found?.statement.predicate], [type, { good: true }]);

    // It refuses a provenance without what the specification requires, and leaves out what the specification does not have.
    const { predicate } = provenance(someBuild);
    await write("predicate.json", JSON.stringify(predicate));
    await cosign("attest-blob", ...attest.with(1, "--type=slsaprovenance1"), "manifest.json");
    const again = statementClaim(new TextEncoder().encode(await read("bundle.json")), subject.digest)?.statement;
    assert.equal(again?.predicateType, PROVENANCE_TYPE);
    // cosign 2.5 writes one name in another way than the specification.
    assert.deepEqual(JSON.parse(JSON.stringify(again.predicate).replace("invocationID", "invocationId")), predicate);
  });
});

/** The one of Debian's sid: it changes, and so does what it says. */
async function newest(tools: Tools, folder: string): Promise<Cosign> {
  const tree = join(folder, "sid");
  const apt = ['--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::Check-Valid-Until "false"'];
  const argv = ["mmdebstrap", "--mode=root", "--variant=extract", "--include=cosign", ...apt, "sid", tree];
  await run(inMountNamespace(currentCaller(), argv), { timeoutMs: 300_000, env: { TMPDIR: folder } });
  const program = join(tree, "usr/bin/cosign");
  const env = { COSIGN_PASSWORD: PASSWORD, COSIGN_YES: "true" };
  const options = { ...limits, env, cwd: folder, network: true, binds: [{ source: folder, writable: true }] };
  return async (...args) => (await tools.run([program, ...args], options)).stdout;
}

suite("cosign 3, of Debian's sid", { skip: full ? false : "npm run test:full" }, () => {
  test("imports our key that has no password, and we open what it makes of it", async () => {
    await using at = await place(newest);
    await at.write("plain.key", plainSigningKey(at.key.pkcs8)); // cosign 2.5 imports no keys of this kind
    await at.cosign("import-key-pair", "--key=plain.key", "--output-key-prefix=imported");
    const imported = await openSigningKey(await at.read("imported.key"), "imported.key", says);
    assert.deepEqual(imported.publicKey, at.key.publicKey);
  });

  test("takes our bundle and our older signature, and we take its own", async () => {
    await using at = await place(newest);
    const { registry, subject, key, cosign, image, repository } = at;
    const verify = async (pub = "edge.pub"): Promise<unknown> =>
      JSON.parse(await cosign("verify", `--key=${pub}`, OFFLINE, image));
    /** What says who refers to the manifest, where the registry does not know: OCI Distribution Specification 1.1, "Referrers Tag Schema". */
    const referrersTag = subject.digest.replace(":", "-");
    const list = async (manifests: readonly Descriptor[]): Promise<void> => {
      const index = { schemaVersion: 2, mediaType: OCI_MEDIA.index, manifests };
      await registry.push(
        { manifest: new TextEncoder().encode(JSON.stringify(index)), blobs: [] },
        referrersTag,
        OCI_MEDIA.index,
      );
    };

    await registry.push(
      signatureImage([signSimple({ digest: subject.digest, repository, key })], sha256),
      signatureTag(subject.digest),
    );
    await verify();
    await assert.rejects(verify("other.pub"), /invalid signature|no matching/);

    const bundle = signDigest(subject.digest, key, sha256);
    const artifact = bundleReferrer({ subject, bundle, created: 1_900_000_000 }, sha256);
    const pushed = await registry.push(artifact, descriptorOf(OCI_MEDIA.manifest, artifact.manifest, sha256).digest);
    await list([{ ...pushed, artifactType: BUNDLE_MEDIA } as Descriptor]);
    assert.match(JSON.stringify(await verify()), /https:\/\/sigstore\.dev\/cosign\/sign\/v1/);
    await assert.rejects(verify("other.pub"), /no matching|could not verify|invalid signature/);

    await list([]);
    using context = testContext();
    const store = openStore(parseReference(`http://${repository}`), context);
    await signRelease(store, subject, key, { now: 1_900_000_000 });
    assert.match(JSON.stringify(await verify()), /https:\/\/sigstore\.dev\/cosign\/sign\/v1/);
    await assert.rejects(verify("other.pub"), /no matching|could not verify|invalid signature/);

    await list([]);
    await cosign("sign", "--key=edge.key", "--use-signing-config=false", "--tlog-upload=false", image);
    const found = claimsAbout(subject.digest, { ...(await findSignatures(store, subject)), simple: [] });
    assert.equal(
      signersOf(found, firstKeys([key.publicKey], sha256), ecdsa).length,
      1,
      "the release is signed by its bundle alone",
    );
    const index = JSON.parse(new TextDecoder().decode(await registry.manifest(referrersTag, OCI_MEDIA.index)));
    const theirs = JSON.parse(new TextDecoder().decode(await registry.manifest(index.manifests[0].digest)));
    assert.equal(theirs.artifactType, BUNDLE_MEDIA);
    assert.ok(by(key.publicKey, digestClaim(await registry.blob(theirs.layers[0].digest), subject.digest)));
  });
});
