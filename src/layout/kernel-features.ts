/** @portable Whether a kernel can start an image at all. docs/concepts/discovery.md */
import { plainModulePath } from "./kernel-modules.ts";
import { moduleName } from "./modalias.ts";

/** What is known of a kernel besides its file. */
export interface KernelTraits {
  /** Names of its modules, as {@link moduleName} writes them. */
  readonly modules: ReadonlySet<string>;
  /** Text of `modules.builtin`: paths of what would be modules, were it not built in. */
  readonly builtin: string | undefined;
  /** Text of the file that it was configured by. */
  readonly config: string | undefined;
}

/** By the name of its module: what people call it, and its option. Without one of these no image starts. */
const NEEDED = {
  loop: ["loop devices", "CONFIG_BLK_DEV_LOOP"],
  dm_mod: ["device mapper", "CONFIG_BLK_DEV_DM"],
  dm_verity: ["dm-verity", "CONFIG_DM_VERITY"],
  erofs: ["EROFS", "CONFIG_EROFS_FS"],
  overlay: ["overlayfs", "CONFIG_OVERLAY_FS"],
  ext4: ["ext4", "CONFIG_EXT4_FS"],
} as const satisfies Readonly<Record<string, readonly [what: string, option: string]>>;
/** Never modules, so only a configuration tells. */
const BUILT_IN = { CONFIG_BLK_DEV_INITRD: "initrds", CONFIG_DEVTMPFS: "devtmpfs", CONFIG_TMPFS: "tmpfs" } as const;

export interface KernelJudgement {
  /** What the kernel does not have, with the option that gives it. */
  readonly missing: readonly string[];
  /** What nothing tells about. */
  readonly unknown: readonly string[];
}

/** Looks for everything that every image needs, as a module or built in. */
export function judgeKernel({ modules, builtin, config }: KernelTraits): KernelJudgement {
  const missing: string[] = [];
  const unknown: string[] = [];
  const builtIn = builtin === undefined ? undefined : moduleNames(builtin);
  for (const [name, [what, option]] of Object.entries(NEEDED)) {
    if (modules.has(name) || builtIn?.has(name) || optionOf(config, option) === "y") continue;
    if (config !== undefined && optionOf(config, option) === "m")
      missing.push(`${what} (${option}=m, but there is no such module)`);
    else if (config !== undefined || builtIn !== undefined) missing.push(`${what} (${option})`);
    else unknown.push(what);
  }
  if (config !== undefined) {
    for (const [option, what] of Object.entries(BUILT_IN)) {
      if (optionOf(config, option) !== "y") missing.push(`${what} (${option})`);
    }
  }
  return { missing, unknown };
}

/**
 * Whether a kernel unpacks what boots from memory: an archive behind the initrd, packed with zstd.
 *
 * @returns `undefined` where nothing tells
 */
export const unpacksRamImage = (config: string | undefined): boolean | undefined =>
  config === undefined ? undefined : optionOf(config, "CONFIG_RD_ZSTD") === "y";

/** Names of the modules in a list of their paths, one a line, or with `:` and what they need behind it. Source: depmod's text files. */
export const moduleNames = (text: string): Set<string> =>
  new Set(
    text.split("\n").flatMap((line) => {
      const path = plainModulePath(line.split(":", 1)[0]!);
      return path.endsWith(".ko") ? [moduleName(path.slice(path.lastIndexOf("/") + 1, -".ko".length))] : [];
    }),
  );

const optionOf = (config: string | undefined, option: string): string | undefined =>
  config === undefined ? undefined : new RegExp(`^${option}=([ym])$`, "m").exec(config)?.[1];
