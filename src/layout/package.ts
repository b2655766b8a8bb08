/** @portable A package that an image is made of, whichever package manager put it there. */
import type { Bytes } from "../core/units.ts";

export type PackageKind = "deb" | "rpm" | "apk";

export interface Package {
  readonly kind: PackageKind;
  readonly name: string;
  /** As the package manager compares it, without a rpm's epoch. */
  readonly version: string;
  /** Of a rpm. */
  readonly epoch?: number;
  /** As the package manager names it: `amd64`, `x86_64`, `noarch`. */
  readonly architecture: string;
  /** What it was built from; of a rpm the file's name. */
  readonly source?: { readonly name: string; readonly version: string };
  /** As the database or the package's copyright file has it: not necessarily an expression of SPDX. */
  readonly licence?: string;
  readonly maintainer?: string;
  readonly installedSize?: Bytes;
  /** Names that it needs; of each list one is enough. Without versions. */
  readonly depends: readonly (readonly string[])[];
  /** Other names that it answers to. */
  readonly provides: readonly string[];
}

/** By name, then architecture and version: the order of every list. */
export const byName = (a: Package, b: Package): number =>
  compare(a.name, b.name) || compare(a.architecture, b.architecture) || compare(a.version, b.version);

/** Not by locale: the same everywhere. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** With the epoch, as people know it. */
export const fullVersion = ({ epoch, version }: Package): string => (epoch ? `${epoch}:${version}` : version);

/**
 * Which packages each one needs, as far as they are there.
 *
 * @returns indexes into `packages`, in their order, each once and without the package itself
 */
export function dependenciesOf(packages: readonly Package[]): readonly (readonly number[])[] {
  const byAnyName = new Map<string, number[]>();
  const add = (name: string, index: number): void => {
    const known = byAnyName.get(name);
    if (known) known.push(index);
    else byAnyName.set(name, [index]);
  };
  for (const [index, { name }] of packages.entries()) add(name, index);
  for (const [index, { provides }] of packages.entries()) for (const name of provides) add(name, index);
  return packages.map(({ depends }, self) => {
    const needed = depends.flatMap((alternatives) => {
      const name = alternatives.find((one) => byAnyName.has(one));
      return name === undefined ? [] : [byAnyName.get(name)![0]!];
    });
    return [...new Set(needed)].filter((index) => index !== self).toSorted((a, b) => a - b);
  });
}
