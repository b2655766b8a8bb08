/** @portable A bill of materials as SPDX 2.3, in JSON. Source: spdx.github.io/spdx-spec/v2.3. */
import { licenceOf } from "../../layout/licence.ts";
import { dependenciesOf, fullVersion } from "../../layout/package.ts";
import { packageUrl } from "../../layout/purl.ts";
import { billUuid, timeOf, TOOL, type BillInput } from "./bill.ts";

const IMAGE = "SPDXRef-image";

export function spdxDocument(input: BillInput): object {
  const { manifest, digest, os, packages } = input;
  const names = spdxNames(packages.map(({ name, architecture }) => `${name}-${architecture}`));
  const references = new Map<string, string>();
  const described = packages.map((one, i) => {
    const licence = licenceOf(one.licences);
    for (const [name, text] of licence?.references ?? []) references.set(name, text);
    return {
      SPDXID: names[i]!,
      name: one.name,
      versionInfo: fullVersion(one),
      supplier: one.maintainer ? actor(one.maintainer) : "NOASSERTION",
      downloadLocation: "NOASSERTION",
      filesAnalyzed: false,
      licenseConcluded: "NOASSERTION",
      licenseDeclared: licence?.expression ?? "NOASSERTION",
      copyrightText: "NOASSERTION",
      ...(one.source ? { sourceInfo: `built from ${one.source.name} ${one.source.version}` } : {}),
      externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: packageUrl(one, os) }],
      primaryPackagePurpose: "LIBRARY",
    };
  });
  const relation = (from: string, type: string, to: string): object => ({
    spdxElementId: from,
    relationshipType: type,
    relatedSpdxElement: to,
  });
  const depends = dependenciesOf(packages);
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${manifest.name}-${manifest.version}`,
    documentNamespace: `urn:uuid:${billUuid(input, "spdx")}`,
    creationInfo: { created: timeOf(manifest), creators: [`Tool: ${TOOL}`] },
    documentDescribes: [IMAGE],
    packages: [
      {
        SPDXID: IMAGE,
        name: manifest.name,
        versionInfo: manifest.version,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        licenseConcluded: "NOASSERTION",
        licenseDeclared: "NOASSERTION",
        copyrightText: "NOASSERTION",
        primaryPackagePurpose: "OPERATING_SYSTEM",
        comment: `dm-verity root hash (SHA-256): ${manifest.rootHash}; SHA-256 of the manifest: ${digest}; kernel: ${manifest.kernel}`,
        externalRefs: [
          { referenceCategory: "OTHER", referenceType: "dm-verity-root-hash", referenceLocator: manifest.rootHash },
          { referenceCategory: "OTHER", referenceType: "manifest-sha256", referenceLocator: digest },
        ],
      },
      ...described,
    ],
    ...(references.size > 0
      ? {
          hasExtractedLicensingInfos: [...references]
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map(([licenseId, name]) => ({ licenseId, name, extractedText: `The package calls it: ${name}` })),
        }
      : {}),
    relationships: [
      relation("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE),
      ...names.map((name) => relation(IMAGE, "CONTAINS", name)),
      ...depends.flatMap((needs, i) => needs.map((other) => relation(names[i]!, "DEPENDS_ON", names[other]!))),
    ],
  };
}

/** `SPDXRef-` and letters, digits, `.` and `-`; each one is another. */
function spdxNames(names: readonly string[]): readonly string[] {
  const used = new Set<string>([IMAGE]);
  return names.map((name) => {
    const plain = `SPDXRef-package-${name.replaceAll(/[^A-Za-z0-9.-]/g, "-")}`;
    let own = plain;
    for (let i = 2; used.has(own); i++) own = `${plain}-${i}`;
    used.add(own);
    return own;
  });
}

/** `Person: NAME (MAIL)` or `Organization: …`: who maintains a package is a person or a team; the database does not say. */
function actor(text: string): string {
  const [, name = text, mail] = /^(.*?)\s*<([^<>]+)>/.exec(text) ?? [];
  const plain = name.replaceAll(/^"|"$/g, "").replaceAll(/[()]/g, " ").trim() || mail || "unknown";
  return `Organization: ${plain}${mail ? ` (${mail})` : ""}`;
}
