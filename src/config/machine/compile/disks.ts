/** @portable Disks besides the system's own: whether the image has what sets them up, and what is asked for can be found again. */
import type { NodeConfig } from "../node-config.ts";
import type { Step } from "../stages.ts";
import type { ImageView } from "./image-view.ts";
import type { Unsupported } from "./part.ts";

const PACKAGES: Readonly<Record<string, string>> = { sfdisk: "that has sfdisk (fdisk, util-linux)", "mkfs.vfat": "dosfstools" };
const FOLDERS = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];
type FileSystem = NodeConfig["fileSystems"][number]["type"];
/** ext4 is made by the agent's own program. */
const makersOf = (types: readonly FileSystem[]): readonly string[] => (types.includes("vfat") ? ["mkfs.vfat"] : []);

function missing(key: string, programs: readonly string[], view: ImageView): Unsupported[] {
  return programs
    .filter((name) => !FOLDERS.some((folder) => view.has(`${folder}/${name}`)))
    .map((name) => ({ key, problem: `the image has no ${name}`, hint: `Put the package ${PACKAGES[name]} into the recipe.` }));
}

export interface CompiledDisks extends Pick<NodeConfig, "disks" | "fileSystems"> {
  readonly unsupported: readonly Unsupported[];
}

/** `disk_setup` and `fs_setup`: what the image can do of them. A disk that gets no partitions gets no file systems: one would be made of the whole of it. */
export function compileDisks({ disks, fileSystems }: Pick<NodeConfig, "disks" | "fileSystems">, view: ImageView): CompiledDisks {
  const unsupported: Unsupported[] = [];
  const isPossible = (key: string, programs: readonly string[]): boolean => {
    const problems = missing(key, programs, view);
    unsupported.push(...problems);
    return problems.length === 0;
  };
  const possible = disks.filter(({ device }) => isPossible(`disk_setup.${device}`, ["sfdisk"]));
  const left = new Set(disks.filter((disk) => !possible.includes(disk)).map(({ device }) => device));
  const made = fileSystems.filter(({ device, type }) => isPossible(`fs_setup[${device}]`, makersOf([type])));
  for (const { device } of made.filter((one) => left.has(one.device)))
    unsupported.push({ key: `fs_setup[${device}]`, problem: `disk_setup.${device} cannot be done` });
  return { disks: possible, fileSystems: made.filter(({ device }) => !left.has(device)), unsupported };
}

/** @param key of the step */
export function layoutProblems(key: string, { layout }: Pick<Step, "layout">, view: ImageView): readonly Unsupported[] {
  if (!layout) return [];
  const { add_partitions: partitions } = layout;
  const at = `${key}.layout`;
  const problems: Unsupported[] = missing(at, ["sfdisk", ...makersOf(partitions.map(({ filesystem }) => filesystem))], view);
  if (partitions.some(({ fsLabel, pLabel }) => fsLabel === undefined && pLabel === undefined)) {
    const hint = "Without one nobody can tell at the next boot whether it is there.";
    problems.push({ key: at, problem: "has a partition with neither fsLabel nor pLabel", hint });
  }
  // sfdisk's scripts have no way to write them.
  if (partitions.some(({ pLabel }) => pLabel !== undefined && /["\\]/.test(pLabel)))
    problems.push({ key: at, problem: 'has a pLabel with " or \\' });
  return problems;
}
