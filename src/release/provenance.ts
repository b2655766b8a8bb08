/** @portable How an image was made, for whoever wants to know before trusting it. Source: SLSA, provenance v1; in-toto, resource_descriptor.md. */
import type { OsRelease } from "../layout/os-release.ts";
import { packageUrl } from "../layout/purl.ts";
import { statement, type Statement } from "./in-toto.ts";

export const PROVENANCE_TYPE = "https://slsa.dev/provenance/v1";
/** What a build of this kind is: docs/formats/provenance.md. Other parameters get another number. */
const BUILD_TYPE = "urn:petrify:build:1";

/** A file, an image or an archive that the build took. */
export interface BuildInput {
  readonly name: string;
  /** `sha256:…` */
  readonly digest: string;
  /** Where it came from, without what only its owner may know. */
  readonly uri?: string;
}
export interface ProvenanceFacts {
  /** What was built: the digest of its manifest in a registry, or of the file. */
  readonly subject: { readonly name?: string; readonly digest: string };
  /** As the user wrote it: `petrify.yaml`. */
  readonly recipe: BuildInput;
  /** `petrify.lock` as it was after the build: the same recipe and lock give the same image. */
  readonly lock: BuildInput;
  /** Recipes that it extends, images, archives, files that it lays. */
  readonly inputs: readonly BuildInput[];
  /** Of the lock; SHA-256 of the .deb file, hex. */
  readonly packages: readonly {
    readonly name: string;
    readonly version: string;
    readonly arch: string;
    readonly sha256: string;
  }[];
  /** Of the image: says which distribution the packages are of. */
  readonly os: OsRelease;
  readonly builder: {
    /** A URI that names who ran the build and is trusted for it: a CI's. Default: some machine. */
    readonly id?: string;
    /** Of petrify. */
    readonly version: string;
    /** Of the tools tree. */
    readonly tools: string;
  };
  /** Left out where two builds are to have the same provenance. Seconds since 1970. */
  readonly run?: { readonly id?: string; readonly started: number; readonly finished: number };
}

/** A statement to be signed by signStatement, as the provenance of an image. */
export function provenance({ subject, recipe, lock, inputs, packages, os, builder, run }: ProvenanceFacts): Statement {
  const debs = packages.map(({ name, version, arch: architecture, sha256 }) => ({
    name,
    uri: packageUrl({ kind: "deb", name, version, architecture, depends: [], provides: [] }, os),
    digest: { sha256 },
  }));
  const predicate = {
    buildDefinition: {
      buildType: BUILD_TYPE,
      externalParameters: { recipe: recipe.name },
      internalParameters: {},
      resolvedDependencies: [...[recipe, lock, ...inputs].map(descriptor), ...debs],
    },
    runDetails: {
      builder: {
        id: builder.id ?? "urn:petrify:builder:unknown",
        version: { petrify: builder.version },
        builderDependencies: [{ name: "tools tree", uri: `urn:petrify:tools:${builder.tools}` }],
      },
      ...(run
        ? {
            metadata: {
              ...(run.id === undefined ? {} : { invocationId: run.id }),
              startedOn: time(run.started),
              finishedOn: time(run.finished),
            },
          }
        : {}),
    },
  };
  return statement(subject.digest, PROVENANCE_TYPE, predicate, subject.name);
}

function descriptor({ name, digest, uri }: BuildInput) {
  const [algorithm, digits] = digest.split(":") as [string, string];
  return { name, ...(uri === undefined ? {} : { uri }), digest: { [algorithm]: digits } };
}

/** RFC 3339, to the second. */
const time = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
