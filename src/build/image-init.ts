/** What starts an image's services, found in its tree. docs/concepts/init.md, docs/concepts/discovery.md */
import { basename } from "node:path";
import { AppError } from "../core/error.ts";
import { MiB } from "../core/units.ts";
import type { Recipe } from "../config/recipe.ts";
import { unitProblems } from "../config/unit-problems.ts";
import type { InitKind } from "../config/words.ts";
import { readHead } from "../host/files.ts";
import type { RootFs } from "../host/rootfs.ts";

/** Paths are as the system sees them. */
export type ImageInit = SystemdInit | OpenrcInit;
interface SystemdInit {
  readonly kind: "systemd";
  /** Process 1. */
  readonly path: string;
}
export interface OpenrcInit {
  readonly kind: "openrc";
  readonly path: string;
  /** What process 1 is. */
  readonly first: "sysvinit" | "busybox";
  readonly openrc: string;
  /** What runs its scripts. */
  readonly openrcRun: string;
  /** Whether runlevels are started by Debian's `/etc/init.d/rc` and `rcS`. */
  readonly rcScripts: boolean;
  /** What asks for a login on a console; none where the image has no such program. */
  readonly getty: { readonly path: string; readonly of: "util-linux" | "busybox" } | undefined;
}

/** Of a program that is read to find out what it is: busybox has 2 MiB at most. */
const MAX_PROGRAM = 16 * MiB;
const INIT = "/sbin/init";
const SYSTEMD = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"] as const;
/** Where programs of the system may be: `/usr` merged or not, `sbin` and `bin` merged or not. */
const SBIN = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"] as const;
/** What a program called `init` says it is, in its own text. */
const TELLS = [
  ["busybox", /BusyBox v\d/],
  ["sysvinit", /INIT: version|sysvinit/],
  ["s6", /s6-linux-init|s6-svscan/],
  ["runit", /runit/],
  ["dinit", /dinit/],
] as const;

/** @throws AppError `INIT_UNSUPPORTED` (naming what there is) */
export async function findInit(fs: RootFs): Promise<ImageInit> {
  const find = async (name: string): Promise<string | undefined> =>
    await firstOf(
      fs,
      SBIN.map((folder) => `${folder}/${name}`),
    );
  const first = await processOne(fs);
  const openrc = await find("openrc");
  const openrcRun = await find("openrc-run");
  if (first?.is === "systemd") return { kind: "systemd", path: first.path };
  if (first && (first.is === "sysvinit" || first.is === "busybox") && openrc !== undefined && openrcRun !== undefined) {
    const rcScripts = (await fs.exists("/etc/init.d/rc")) && (await fs.exists("/etc/init.d/rcS"));
    return { kind: "openrc", path: first.path, first: first.is, openrc, openrcRun, rcScripts, getty: await findGetty(fs, find) };
  }
  const has = first ? `${first.path} is ${first.is}${openrc === undefined ? ", without OpenRC" : ""}` : "there is no /sbin/init";
  throw new AppError("INIT_UNSUPPORTED", `the image has neither systemd nor OpenRC under sysvinit or busybox: ${has}`, {
    hint: "Install one of them in the base.",
  });
}

async function processOne(fs: RootFs): Promise<{ readonly path: string; readonly is: string } | undefined> {
  const systemd = await firstOf(fs, SYSTEMD);
  if (!(await fs.exists(INIT))) return systemd === undefined ? undefined : { path: systemd, is: "systemd" };
  const real = await fs.resolve(INIT);
  const name = basename(real);
  if (name !== "init") return { path: INIT, is: name.replace(/-init$/, "") };
  const text = Buffer.from((await readHead(real, MAX_PROGRAM)) ?? []).toString("latin1");
  return { path: INIT, is: TELLS.find(([, tell]) => tell.test(text))?.[0] ?? "unknown" };
}

async function findGetty(fs: RootFs, find: (name: string) => Promise<string | undefined>): Promise<OpenrcInit["getty"]> {
  const path = (await find("getty")) ?? (await find("agetty"));
  if (path === undefined) return undefined;
  return { path, of: basename(await fs.resolve(path)).startsWith("busybox") ? "busybox" : "util-linux" };
}

async function firstOf(fs: RootFs, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await fs.exists(path)) return path;
  return undefined;
}

const CALLED = { systemd: "systemd", openrc: "OpenRC" } as const satisfies Readonly<Record<InitKind, string>>;

/**
 * What only the tree tells about the recipe.
 *
 * @throws AppError `INIT_MISMATCH`, `UNIT_UNFIT` (a name that is no unit of this init)
 */
export function refuseOtherInit(recipe: Recipe, { kind }: ImageInit): void {
  if (recipe.init !== undefined && recipe.init !== kind) {
    throw new AppError("INIT_MISMATCH", `the recipe says init: ${recipe.init}, but the image has ${CALLED[kind]}`, {
      hint: `Say init: ${kind}, or leave it out.`,
    });
  }
  const [problem] = unitProblems(kind, recipe);
  if (problem === undefined) return;
  const path = problem.path.map((key, i) => (typeof key === "number" ? `[${key}]` : `${i > 0 ? "." : ""}${key}`)).join("");
  throw new AppError("UNIT_UNFIT", `${path}: ${problem.message}; the image has ${CALLED[kind]}`, {
    hint: "Say which init the recipe is for by `init`, and such names are found without a build.",
  });
}
