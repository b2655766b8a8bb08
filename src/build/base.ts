import type { BaseSource } from "../config/base.ts";
import type { Lock, LockedPackage } from "../config/lock.ts";
import type { Recipe } from "../config/recipe.ts";
import { systemImageBase } from "./bases/system-image-base.ts";
import { buildDockerfile } from "./bases/dockerfile.ts";
import { imageBase } from "./bases/image-base.ts";
import { rootfsBase } from "./bases/rootfs-base.ts";
import type { BuildContext } from "./context.ts";
import { packageInputs } from "./default-packages.ts";
import { resolvePackages } from "./packages.ts";
import { suiteBase } from "./suite-base.ts";
import { refuseTwoKernels } from "./kernel.ts";

/** What an image starts as: a root file system, whatever it came from. */
export interface Base {
  /** Path of a tar on the host, with numeric owners and extended attributes (SCHILY.xattr); only regular entries of one root. */
  readonly tar: string;
  /** Seconds since 1970: the date of the content, which every file of the image carries. */
  readonly time: number;
  /** Digest of what decided the content: a lock with another one is not this base's. */
  readonly inputs: string;
  /** Packages that the lock pins; none where the base came as a whole. */
  readonly packages: readonly LockedPackage[];
}
export interface BaseRequest {
  readonly recipe: Recipe;
  /** Where relative paths of the recipe start. */
  readonly recipeFolder: string;
  readonly lock: Lock | undefined;
  /** Take what is there today, whatever the lock says. */
  readonly renew: boolean;
  /** An existing folder for intermediate files. */
  readonly work: string;
}

/** Makes the base that a recipe names, or takes it from the cache. */
export async function openBase(source: BaseSource, request: BaseRequest, context: BuildContext): Promise<Base> {
  const { recipe, lock, renew, work } = request;
  if (source.kind === "rootfs") return await rootfsBase(source, request, context);
  if (source.kind === "image") return await systemImageBase(source, request, context);
  if (source.kind === "dockerfile") {
    const time = renew ? undefined : lock?.time;
    const { layout, tag } = await buildDockerfile(source, { recipeFolder: request.recipeFolder, time, work }, context);
    return await imageBase({ kind: "oci", path: layout, tag }, request, context);
  }
  if (source.kind !== "suite") return await imageBase(source, request, context);
  const resolved = await resolvePackages(packageInputs(source, recipe), lock, renew, work, context);
  refuseTwoKernels(resolved.packages);
  return { ...resolved, tar: await suiteBase(source.suite, resolved, work, context) };
}
