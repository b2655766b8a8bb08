import { ALWAYS_PERSISTENT } from "../config/persistent-path.ts";
import { healthPlan } from "../config/health.ts";
import { recoveryPlan } from "../config/recovery.ts";
import type { Recipe } from "../config/recipe.ts";
import { encodeHealthPlan, HEALTH_PLAN_PATH } from "../layout/health-plan.ts";
import { encodeRecoveryPlan, RECOVERY_PLAN_PATH } from "../layout/recovery-plan.ts";
import { encodeImageFacts, IMAGE_FACTS_PATH } from "../layout/image-facts.ts";
import { MOUNT_POINTS } from "../layout/fstab.ts";
import type { BuildContext } from "./context.ts";
import { runtimeFiles } from "./runtime-files.ts";
import type { Tree } from "./tree.ts";

/** What an image says about itself, and the folders that a boot mounts over. */
export async function addImageFacts({ fs, tool }: Tree, recipe: Recipe, created: number): Promise<void> {
  const { name, version, init, persistent, health, recovery } = recipe;
  const folders = [...new Set([...ALWAYS_PERSISTENT, ...persistent])];
  for (const path of [...MOUNT_POINTS, ...folders]) await fs.folderAt(path);
  await fs.write(IMAGE_FACTS_PATH, encodeImageFacts({ name, version, created, persistent: folders }));
  await fs.write(HEALTH_PLAN_PATH, encodeHealthPlan(healthPlan(health)));
  await fs.write(RECOVERY_PLAN_PATH, encodeRecoveryPlan(recoveryPlan(recovery)));
  if (init === "systemd") await addSystemdFiles({ fs, tool });
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

/** The programs and units that every image has besides its packages. */
export async function addRuntime({ fs }: Tree, recipe: Recipe, work: string, context: BuildContext): Promise<void> {
  for (const file of await runtimeFiles(context, recipe, work)) {
    if ("target" in file) await fs.link(file.path, file.target);
    else await fs.write(file.path, file.data, file.mode);
  }
}

const DHCP = `[Match]
Kind=!*
Type=ether

[Network]
DHCP=yes
`;
