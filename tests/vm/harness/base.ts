import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openBase } from "../../../src/build/base.ts";
import type { BuildContext } from "../../../src/build/context.ts";
import { parseRecipe } from "../../../src/config/parse-recipe.ts";
import { busyboxRootfs } from "./busybox-rootfs.ts";
import { linkOrCopy } from "../../support/link-or-copy.ts";

const TAR = "base.tar";
/** What a recipe says of each: the same Debian, brought as others would bring it, and one that is no Debian, with a kernel from there. */
export const BASES = {
  rootfs: { BASE: `{ rootfs: ${TAR} }`, KERNEL: "{}" },
  oci: { BASE: "{ oci: layout, tag: upper }", KERNEL: "{}" },
  dockerfile: { BASE: "{ dockerfile: Dockerfile }", KERNEL: "{}" },
  busybox: { BASE: `{ rootfs: ${TAR} }`, KERNEL: "{ from: { suite: trixie, allowExpired: true } }" },
} as const;
export type BaseKind = keyof typeof BASES;

/** In the second layer, and made by the Dockerfile: here so that the tests can look for it. */
export const LAYERED = { added: "/usr/share/petrify-test/layered", hidden: "/etc/issue.net" } as const;

interface DebianOptions {
  readonly init: "systemd" | "openrc";
  readonly packages: readonly string[];
}

/** Puts what the recipe's base names beside the recipe. */
export async function placeBase(
  kind: BaseKind,
  folder: string,
  { init, packages }: DebianOptions,
  context: BuildContext,
): Promise<void> {
  if (kind === "busybox") return await busyboxRootfs(join(folder, TAR), folder, context);
  const recipe = parseRecipe(
    `{ apiVersion: petrify/v1, name: base, base: { suite: trixie }, init: ${init}, packages: [${packages.join(", ")}] }`,
    "base",
  );
  const source = { kind: "suite", suite: "trixie", mirror: undefined, components: ["main"], allowExpired: true } as const;
  const { tar } = await openBase(source, { recipe, recipeFolder: folder, lock: undefined, renew: false, work: folder }, context);
  await linkOrCopy(tar, join(folder, TAR));
  if (kind === "rootfs") return;
  await layout(folder, context);
  if (kind === "dockerfile") await writeFile(join(folder, "Dockerfile"), DOCKERFILE);
}

const DOCKERFILE = `FROM oci:layout:base
COPY files/check ${LAYERED.added}
RUN rm ${LAYERED.hidden} && chown 70000:70000 ${LAYERED.added}
`;

/** An OCI image layout: \`base\` has one layer, \`upper\` one more, which adds a file and hides another. */
async function layout(folder: string, context: BuildContext): Promise<void> {
  const tools = await context.containerTools();
  const run = async (...argv: [string, ...string[]]): Promise<void> => {
    await tools.run(argv, { binds: [{ source: folder, writable: true }], cwd: folder, anyOwner: true });
  };
  await run("umoci", "init", "--layout", "layout");
  await run("umoci", "new", "--image", "layout:base");
  await run("umoci", "raw", "add-layer", "--image", "layout:base", TAR);
  const [, added] = /^\/(.*)$/.exec(LAYERED.added)!;
  const [, where, hidden] = /^\/(.*)\/([^/]*)$/.exec(LAYERED.hidden)!;
  await run("mkdir", "-p", join("upper", added!, ".."), join("upper", where!));
  await run("cp", "files/check", join("upper", added!));
  await run("chown", "70000:70000", join("upper", added!));
  await run("touch", join("upper", where!, `.wh.${hidden!}`));
  await run("tar", "--create", "--file=upper.tar", "--numeric-owner", "--directory=upper", ".");
  await run("umoci", "raw", "add-layer", "--image", "layout:base", "--tag", "upper", "upper.tar");
}
