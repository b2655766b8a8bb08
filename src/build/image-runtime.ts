import { ALWAYS_PERSISTENT } from "../config/persistent-path.ts";
import { healthPlan } from "../config/health.ts";
import { recoveryPlan } from "../config/recovery.ts";
import type { Recipe } from "../config/recipe.ts";
import { MAINTENANCE_FILE } from "../layout/api-places.ts";
import { encodeHealthPlan, HEALTH_PLAN_PATH } from "../layout/health-plan.ts";
import { encodeRecoveryPlan, RECOVERY_PLAN_PATH } from "../layout/recovery-plan.ts";
import { encodeImageFacts, IMAGE_FACTS_PATH } from "../layout/image-facts.ts";
import { MOUNT_POINTS } from "../layout/fstab.ts";
import { LOADER_KIT_PATH } from "../layout/loader-kit.ts";
import type { BuildContext } from "./context.ts";
import type { ImageInit } from "./image-init.ts";
import { makeLoaderKit } from "./loader-kit.ts";
import { runtimeFiles } from "./runtime-files.ts";
import type { Tree } from "./tree.ts";

/** What an image says about itself, and the folders that a boot mounts over. */
export async function addImageFacts({ fs, tool }: Tree, recipe: Recipe, init: ImageInit, created: number): Promise<void> {
  const { name, version, profile, persistent, health, recovery, api } = recipe;
  const folders = [...new Set([...ALWAYS_PERSISTENT, ...persistent])];
  for (const path of [...MOUNT_POINTS, ...folders]) await ownFolder({ fs, tool }, path);
  await fs.write(
    IMAGE_FACTS_PATH,
    encodeImageFacts({
      ...{ name, version, created, persistent: folders, init: { kind: init.kind, path: init.path } },
      ...(profile === "sealed" ? { profile } : {}),
    }),
  );
  // Where services keep what is only for this boot. Source: Filesystem Hierarchy Standard 3.0, section 5.13
  if (!(await fs.exists("/var/run"))) await fs.link("/var/run", "../run");
  await fs.write(HEALTH_PLAN_PATH, encodeHealthPlan(healthPlan(health)));
  await fs.write(RECOVERY_PLAN_PATH, encodeRecoveryPlan(recoveryPlan(recovery)));
  if (api.maintenance) await fs.write(MAINTENANCE_FILE, "");
  if (init.kind === "systemd") await addSystemdFiles({ fs, tool });
}

/**
 * A folder that is mounted over is one itself: where it is a link, as `/home` to `/var/home`, what is mounted would be found under another name.
 * It keeps what the link showed.
 */
export async function ownFolder({ fs, tool }: Tree, path: string): Promise<void> {
  const [shown, here] = [await fs.resolve(path), await fs.resolve(path, { keepLast: true })];
  if (shown === here) return await fs.folderAt(path);
  const isThere = await fs.exists(path);
  await fs.remove(path);
  await fs.folderAt(path);
  if (isThere) await tool(["cp", "--archive", "--no-target-directory", "--", shown, here]);
}

async function addSystemdFiles({ fs, tool }: Tree): Promise<void> {
  // systemd-networkd is off unless the recipe enables it; then every wired interface asks DHCP.
  await fs.write("/usr/lib/systemd/network/89-petrify-dhcp.network", DHCP);
  // Its presence makes the journal persistent: /var/log is. Source: journald.conf(5), Storage=auto.
  await fs.folderAt("/var/log/journal", 0o2755);
  const group = /^systemd-journal:x:(\d+):/m.exec((await fs.read("/etc/group")) ?? "")?.[1];
  if (group) {
    const folder = await fs.resolve("/var/log/journal");
    await tool(["chown", `0:${group}`, folder]);
    await tool(["chmod", "2755", folder]); // chown drops the set-gid bit
  }
}

/** The programs and units that every image has besides its packages, and the boot loader of the disks that it is installed to. */
export async function addRuntime(
  { fs }: Tree,
  { kernel, disk, profile }: Recipe,
  { init, created, work }: { readonly init: ImageInit; readonly created: number; readonly work: string },
  context: BuildContext,
): Promise<void> {
  for (const file of await runtimeFiles(context, { init, kernel, profile }, work)) {
    if ("target" in file) await fs.link(file.path, file.target);
    else await fs.write(file.path, file.data, file.mode);
  }
  const kit = await makeLoaderKit(context.tools, { slotSize: disk.slotSize, time: created, work }, context.signal);
  await fs.write(LOADER_KIT_PATH, kit);
}

const DHCP = `[Match]
Kind=!*
Type=ether

[Network]
DHCP=yes
`;
