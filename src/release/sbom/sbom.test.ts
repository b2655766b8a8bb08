import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { Ajv, type ValidateFunction } from "ajv";
import * as ajvFormats from "ajv-formats";
import * as fc from "fast-check";
import { PackageURL } from "packageurl-js";
import judgeExpression from "spdx-expression-parse";
import { sha256 } from "../../host/sha256.ts";
import { byName } from "../../layout/package.ts";
import type { BillInput } from "./bill.ts";
import { cyclonedxDocument } from "./cyclonedx.ts";
import { spdxDocument } from "./spdx.ts";

const INPUT: BillInput = {
  manifest: {
    ...{ format: 1, name: "edge", version: "1.2.0", architecture: "x86-64", kernel: "6.12.0", created: 1_790_000_000 },
    ...{ rootHash: "ab".repeat(32), veritySalt: "", sizes: { image: 1, boot: 1, root: 1, rootVerity: 1 } },
    boot: { vmlinuz: "0".repeat(64), initrd: "1".repeat(64), "image.cfg": "2".repeat(64) },
  },
  digest: "cd".repeat(32),
  os: { ID: "debian", VERSION_ID: "13", PRETTY_NAME: "Debian GNU/Linux 13 (trixie)" },
  packages: [
    {
      ...{ kind: "deb", name: "libstdc++6", version: "14.2.0-19", architecture: "amd64" },
      source: { name: "gcc-14", version: "14.2.0-19" },
      ...{ maintainer: '"Debian, GCC" (team) <debian-gcc@lists.debian.org>', installedSize: 2_900_000 },
      ...{ depends: [["libc6"]], provides: [], licences: ["GPL-3+ with GCC-3.1 exception", "Expat", "public-domain"] },
    },
    { ...{ kind: "deb", name: "libc6", version: "2.41-12", architecture: "amd64" }, depends: [], provides: [], licences: [] },
    // The same name and version twice, as multi-arch and kernels have it.
    {
      ...{ kind: "deb", name: "libc6", version: "2.41-12", architecture: "i386" },
      depends: [],
      provides: [],
      licences: ["MIT"],
    },
    {
      ...{ kind: "rpm", name: "bash", version: "5-1", epoch: 1, architecture: "x86_64" },
      depends: [],
      provides: [],
      licences: ["GPLv3+"],
    },
    {
      ...{ kind: "rpm", name: "bash", version: "5-1", epoch: 1, architecture: "x86_64" },
      depends: [],
      provides: [],
      licences: ["X/Y"],
    },
  ],
  sha256,
};

/** Official schemas, by their own validators: the one that CycloneDX publishes with its library, and ajv for the one of the SPDX specification. */
const cyclonedx = async (document: object): Promise<unknown> =>
  (await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(JSON.stringify(document))) ?? undefined;
const spdxSchema = await spdxJudge();
async function spdxJudge(): Promise<ValidateFunction> {
  const file = new URL("../../../tests/support/schemas/spdx-2.3.schema.json", import.meta.url);
  const ajv = new Ajv({ strict: false, allErrors: true });
  ajvFormats.default.default(ajv);
  return ajv.compile(JSON.parse(await readFile(file, "utf8")) as object);
}
const spdx = (document: object): unknown => (spdxSchema(document) ? undefined : spdxSchema.errors);

interface Spdx {
  readonly packages: {
    readonly SPDXID: string;
    readonly licenseDeclared: string;
    readonly externalRefs: { readonly referenceLocator: string }[];
  }[];
  readonly relationships: {
    readonly spdxElementId: string;
    readonly relatedSpdxElement: string;
    readonly relationshipType: string;
  }[];
  readonly hasExtractedLicensingInfos?: { readonly licenseId: string }[];
}

/** What SPDX demands and its schema cannot say. */
function assertSound(document: object): void {
  const { packages, relationships, hasExtractedLicensingInfos = [] } = document as Spdx;
  const ids = new Set([...packages.map(({ SPDXID }) => SPDXID), "SPDXRef-DOCUMENT"]);
  assert.equal(ids.size, packages.length + 1, "ids are unique");
  for (const id of ids) assert.match(id, /^SPDXRef-[A-Za-z0-9.-]+$/);
  for (const { spdxElementId, relatedSpdxElement } of relationships)
    assert.ok(ids.has(spdxElementId) && ids.has(relatedSpdxElement));
  const explained = new Set(hasExtractedLicensingInfos.map(({ licenseId }) => licenseId));
  for (const { licenseDeclared } of packages) {
    if (licenseDeclared === "NOASSERTION") continue;
    judgeExpression(licenseDeclared);
    for (const name of licenseDeclared.match(/LicenseRef-[A-Za-z0-9.-]+/g) ?? []) assert.ok(explained.has(name), name);
  }
}

test("the SPDX document is valid: its schema, its references, its expressions", () => {
  const document = spdxDocument(INPUT);
  assert.equal(spdx(document), undefined);
  assertSound(document);
});
test("the CycloneDX document is valid", async () => {
  assert.equal(await cyclonedx(cyclonedxDocument(INPUT)), undefined);
});

for (const [what, broken] of [
  ["an unknown key", { extra: 1 }],
  ["no version", { spdxVersion: undefined }],
  ["a relationship of no kind", { relationships: [{ spdxElementId: "a", relatedSpdxElement: "b", relationshipType: "LIKES" }] }],
] as const) {
  test(`the judge of SPDX refuses a document with ${what}`, () => {
    assert.notEqual(spdx(JSON.parse(JSON.stringify({ ...spdxDocument(INPUT), ...broken })) as object), undefined);
  });
}
for (const [what, broken] of [
  ["an unknown key", { extra: 1 }],
  ["a serial number that is none", { serialNumber: "1" }],
  ["a licence that is none", { components: [{ type: "library", name: "a", licenses: [{ license: { id: "Expat" } }] }] }],
  ["a component of no type", { components: [{ type: "thing", name: "a" }] }],
] as const) {
  test(`the judge of CycloneDX refuses a document with ${what}`, async () => {
    assert.notEqual(await cyclonedx({ ...cyclonedxDocument(INPUT), ...broken }), undefined);
  });
}

test("the documents say what the image is, and what is in it", () => {
  const { packages, relationships, ...head } = spdxDocument(INPUT) as Spdx & Record<string, unknown>;
  assert.deepEqual(head["creationInfo"], { created: "2026-09-21T14:13:20Z", creators: ["Tool: petrify"] });
  assert.deepEqual(head["documentDescribes"], ["SPDXRef-image"]);
  assert.equal(packages[0]!.externalRefs[0]!.referenceLocator, INPUT.manifest.rootHash);
  assert.equal(
    packages[1]!.licenseDeclared,
    "LicenseRef-GPL-3-with-GCC-3.1-exception-7b14dd92 AND MIT AND LicenseRef-public-domain",
  );
  const needs = relationships.filter(({ relationshipType }) => relationshipType === "DEPENDS_ON");
  assert.deepEqual(needs, [
    {
      spdxElementId: "SPDXRef-package-libstdc--6-amd64",
      relationshipType: "DEPENDS_ON",
      relatedSpdxElement: "SPDXRef-package-libc6-amd64",
    },
  ]);
  const bom = cyclonedxDocument(INPUT) as { metadata: { component: { name: string } }; components: { purl?: string }[] };
  assert.equal(bom.metadata.component.name, "edge");
  assert.equal(bom.components[1]!.purl, "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=debian-13&upstream=gcc-14");
});

test("the same image gives the same documents, another one others", () => {
  const other: BillInput = { ...INPUT, manifest: { ...INPUT.manifest, rootHash: "ac".repeat(32) } };
  for (const make of [spdxDocument, cyclonedxDocument]) {
    assert.equal(JSON.stringify(make(INPUT)), JSON.stringify(make({ ...INPUT, packages: [...INPUT.packages] })));
    assert.notEqual(JSON.stringify(make(INPUT)), JSON.stringify(make(other)));
  }
});

test("whatever the database says, the documents are valid", async () => {
  const text = fc.oneof(
    fc.string({ unit: "binary", minLength: 1 }),
    fc.constantFrom("a", "lib+x", "MIT or", "GPL-2+", "x <y@z>", "<@>", "()"),
  );
  const one = fc.record({
    ...{ kind: fc.constantFrom("deb", "rpm", "apk"), name: text, version: text, architecture: text, maintainer: text },
    ...{ depends: fc.array(fc.array(text)), provides: fc.array(text), licences: fc.array(text, { maxLength: 3 }) },
    ...{ source: fc.record({ name: text, version: text }) },
  });
  const os = fc.record({ ID: text, VERSION_ID: text, PRETTY_NAME: text }, { requiredKeys: [] });
  await fc.assert(
    fc.asyncProperty(fc.array(one, { maxLength: 6 }), os, async (packages, release) => {
      const input = { ...INPUT, packages: packages.toSorted(byName), os: release };
      const [first, second] = [spdxDocument(input), cyclonedxDocument(input)];
      assert.equal(spdx(first), undefined);
      assertSound(first);
      assert.equal(await cyclonedx(second), undefined);
      for (const { purl } of (second as { components: { purl?: string }[] }).components)
        if (purl) assert.ok(purl.startsWith("pkg:"));
    }),
    { numRuns: process.env["PETRIFY_TEST"] === "full" ? 100 : 25 },
  );
});

test("names of packages are read by another implementation", () => {
  const { components } = cyclonedxDocument(INPUT) as { components: { purl?: string }[] };
  const names = components.flatMap(({ purl }) => (purl ? [PackageURL.fromString(purl).name] : []));
  assert.deepEqual(names, ["libstdc++6", "libc6", "libc6", "bash", "bash"]);
});
