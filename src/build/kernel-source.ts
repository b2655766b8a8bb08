/** Where a kernel comes from that is not the base's: `kernel.from`. */
import { join } from "node:path";
import { baseSource } from "../config/base.ts";
import type { LockedSource } from "../config/lock.ts";
import type { Recipe } from "../config/recipe.ts";
import { makeFolder } from "../host/files.ts";
import { openBase, type BaseRequest } from "./base.ts";
import type { BuildContext } from "./context.ts";
import { KERNEL_PACKAGE } from "./default-packages.ts";
import { resolvePackages, wholePackage } from "./packages.ts";
import { refuseTwoKernels } from "./kernel.ts";
import { openTree, unpackTar, type Tree } from "./tree.ts";

export interface KernelSource {
  /** Has the kernel and its modules, and may have anything else. */
  readonly tree: Tree;
  readonly locked: LockedSource;
}

/** Packages of Debian's that a kernel is made of: the others are only for whoever installs it. */
const KERNEL_PARTS = /^linux-(?:image|modules|binary)-\d/;

/** The flavour of the suite's kernel that an image gets; none when its kernel is of no suite. */
export function kernelFlavour({ base, kernel }: Recipe): "cloud" | "full" | undefined {
  if ((kernel.from ?? base).suite === undefined) return undefined;
  if (kernel.flavour !== "none") return kernel.flavour;
  return kernel.from ? "cloud" : undefined;
}

/** Opens what `kernel.from` names; nothing where the recipe does not. Of a suite only the kernel's packages are fetched. */
export async function openKernelSource(request: BaseRequest, context: BuildContext): Promise<KernelSource | undefined> {
  const { recipe, lock, renew } = request;
  if (recipe.kernel.from === undefined) return undefined;
  const source = baseSource(recipe.kernel.from);
  const work = join(request.work, "kernel");
  const folder = join(work, "root");
  await makeFolder(folder);
  if (source.kind !== "suite") {
    const { tar, inputs, time, packages } = await openBase(
      source,
      { ...request, lock: lock?.kernel && { ...lock, ...lock.kernel }, work },
      context,
    );
    await unpackTar(tar, folder, context);
    return { tree: openTree(folder, context), locked: { inputs, time, packages: [...packages] } };
  }
  const { suite, mirror, components, allowExpired } = source;
  const names = [KERNEL_PACKAGE[kernelFlavour(recipe) ?? "cloud"]];
  const inputs = { suite, mirror, components, allowExpired, names, only: KERNEL_PARTS };
  const resolved = await resolvePackages(inputs, lock?.kernel, renew, work, context);
  refuseTwoKernels(resolved.packages);
  await context.progress.step(`unpack the kernel of ${suite}`, async () => {
    for (const wanted of resolved.packages) {
      const file = await wholePackage(context, wanted);
      await context.tools.run(["dpkg-deb", "--extract", file, folder], {
        binds: [{ source: file }, { source: folder, writable: true }],
        anyOwner: true,
        signal: context.signal,
      });
    }
  });
  return { tree: openTree(folder, context), locked: { ...resolved, packages: [...resolved.packages] } };
}
