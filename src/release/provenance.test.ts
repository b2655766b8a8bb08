import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { someBuild } from "../../tests/support/provenance.ts";
import { newKeyPair } from "../../tests/support/signing.ts";
import { ecdsa } from "../host/ecdsa.ts";
import { sha256 } from "../host/sha256.ts";
import { parseStatement } from "./in-toto.ts";
import { provenance, PROVENANCE_TYPE } from "./provenance.ts";
import { digestClaim, signStatement, statementClaim } from "./sigstore-bundle.ts";

/** Source: SLSA, docs/spec/v1.0/schema/provenance.proto as JSON, and what provenance.md requires; in-toto, resource_descriptor.md. Nothing else may be there. */
const Time = z.iso.datetime({ precision: 0 });
const Resource = z
  .strictObject({
    ...{ name: z.string().optional(), uri: z.url().optional(), content: z.base64().optional() },
    digest: z.record(z.string(), z.string().regex(/^[0-9a-f]+$/)).optional(),
    ...{ downloadLocation: z.url().optional(), mediaType: z.string().optional() },
    annotations: z.record(z.string(), z.json()).optional(),
  })
  .refine(({ uri, digest, content }) => uri !== undefined || digest !== undefined || content !== undefined);
const Provenance = z.strictObject({
  buildDefinition: z.strictObject({
    buildType: z.url(),
    externalParameters: z.record(z.string(), z.json()),
    internalParameters: z.record(z.string(), z.json()).optional(),
    resolvedDependencies: z.array(Resource).optional(),
  }),
  runDetails: z.strictObject({
    builder: z.strictObject({
      id: z.url(),
      version: z.record(z.string(), z.string()).optional(),
      builderDependencies: z.array(Resource).optional(),
    }),
    metadata: z
      .strictObject({ invocationId: z.string().optional(), startedOn: Time.optional(), finishedOn: Time.optional() })
      .optional(),
    byproducts: z.array(Resource).optional(),
  }),
});

test("a build's provenance is as SLSA has it", () => {
  const { predicate, predicateType, subject } = provenance(someBuild);
  assert.equal(predicateType, "https://slsa.dev/provenance/v1");
  assert.deepEqual(subject, [{ name: "edge-1.5.0.img", digest: { sha256: "a".repeat(64) } }]);
  const { buildDefinition, runDetails } = Provenance.parse(predicate);
  assert.deepEqual(
    buildDefinition.resolvedDependencies?.map(({ name, uri }) => [name, uri]),
    [
      ["petrify.yaml", undefined],
      ["petrify.lock", undefined],
      ["base", "docker://registry.example/debian"],
      ["libstdc++6", "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=debian-13"],
    ],
  );
  assert.deepEqual(runDetails.metadata, {
    ...{ invocationId: "https://ci.example/runs/7", startedOn: "2030-03-17T17:46:40Z", finishedOn: "2030-03-17T17:47:40Z" },
  });
});

test("without a run and a name for the builder it is as SLSA has it, and the same for every build of the same inputs", () => {
  const {
    run: _,
    builder: { id: __, ...builder },
    ...facts
  } = someBuild;
  const made = provenance({ ...facts, builder, packages: [], inputs: [] });
  const { runDetails } = Provenance.parse(made.predicate);
  assert.equal(runDetails.metadata, undefined);
  assert.equal(JSON.stringify(made), JSON.stringify(provenance({ ...facts, builder, packages: [], inputs: [] })));
});

test("signed, it is read back as what it is, and is no signature of the release", () => {
  const key = newKeyPair();
  const made = provenance(someBuild);
  assert.deepEqual(parseStatement(new TextEncoder().encode(JSON.stringify(made))), made);
  const bundle = signStatement(made, key, sha256);
  const found = statementClaim(bundle, someBuild.subject.digest);
  assert.ok(found && ecdsa.verify(key.publicKey, found.claim));
  assert.deepEqual([found.statement, found.statement.predicateType], [made, PROVENANCE_TYPE]);
  assert.equal(digestClaim(bundle, someBuild.subject.digest), undefined);
});
