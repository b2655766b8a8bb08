/** @portable A bill of materials as CycloneDX 1.6, in JSON. Source: ECMA-424, cyclonedx.org/docs/1.6/json. */
import { licenceOf } from "../../layout/licence.ts";
import { dependenciesOf, fullVersion } from "../../layout/package.ts";
import { packageUrl } from "../../layout/purl.ts";
import { billUuid, timeOf, TOOL, type BillInput } from "./bill.ts";

export function cyclonedxDocument(input: BillInput): object {
  const { manifest, digest, os, packages } = input;
  const image = `image:${manifest.rootHash}`;
  const references = uniqueNames(packages.map((one) => packageUrl(one, os)));
  const components = packages.map((one, i) => {
    const licence = licenceOf(one.licences);
    return {
      type: "library",
      "bom-ref": references[i]!,
      ...(one.maintainer ? { supplier: { name: one.maintainer } } : {}),
      name: one.name,
      version: fullVersion(one),
      ...(licence ? { licenses: [{ expression: licence.expression }] } : {}),
      purl: packageUrl(one, os),
      properties: [
        ...(one.source
          ? [
              { name: "petrify:source:name", value: one.source.name },
              { name: "petrify:source:version", value: one.source.version },
            ]
          : []),
        ...(one.installedSize === undefined ? [] : [{ name: "petrify:installedSize", value: String(one.installedSize) }]),
      ],
    };
  });
  const distribution = os["ID"] === undefined ? [] : [distributionOf(os)];
  const depends = dependenciesOf(packages);
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${billUuid(input, "cyclonedx")}`,
    version: 1,
    metadata: {
      timestamp: timeOf(manifest),
      tools: { components: [{ type: "application", name: TOOL }] },
      component: {
        type: "operating-system",
        "bom-ref": image,
        name: manifest.name,
        version: manifest.version,
        properties: [
          { name: "petrify:rootHash", value: manifest.rootHash },
          { name: "petrify:manifestSha256", value: digest },
          { name: "petrify:kernel", value: manifest.kernel },
          { name: "petrify:architecture", value: manifest.architecture },
        ],
      },
    },
    components: [...distribution, ...components],
    dependencies: [
      { ref: image, dependsOn: [...distribution.map((one) => one["bom-ref"]), ...references] },
      ...references.map((ref, i) => ({ ref, dependsOn: depends[i]!.map((other) => references[other]!) })),
    ],
  };
}

/** Scanners look here for which distribution's advisories to take. */
function distributionOf(os: Readonly<Record<string, string>>) {
  const version = os["VERSION_ID"];
  return {
    type: "operating-system",
    "bom-ref": `os:${os["ID"]}${version ? `@${version}` : ""}`,
    name: os["ID"]!,
    ...(version ? { version } : {}),
    ...(os["PRETTY_NAME"] ? { description: os["PRETTY_NAME"] } : {}),
  } as const;
}

function uniqueNames(names: readonly string[]): readonly string[] {
  const used = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let i = 2; used.has(own); i++) own = `${name}#${i}`;
    used.add(own);
    return own;
  });
}
