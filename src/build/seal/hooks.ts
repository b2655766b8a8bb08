/** Folders whose files somebody runs by themselves, one after the other. */
import type { RootFs } from "../../host/rootfs.ts";
import { unitFolders } from "../default-units.ts";
import { OWN_UNITS } from "./unit-files.ts";

/** Whoever runs the folders, and they: without the program nobody looks into them. */
const HOOKS: readonly (readonly [runBy: readonly string[], folders: readonly string[]])[] = [
  [
    ["/usr/lib/systemd/systemd"],
    [
      ...["generators", "environment-generators", "shutdown", "sleep"].flatMap((name) => [
        `/usr/lib/systemd/system-${name}`,
        `/etc/systemd/system-${name}`,
      ]),
    ],
  ],
  [
    ["/usr/sbin/NetworkManager"],
    [
      ...["", "/pre-up.d", "/pre-down.d", "/no-wait.d"].flatMap((name) => [
        `/etc/NetworkManager/dispatcher.d${name}`,
        `/usr/lib/NetworkManager/dispatcher.d${name}`,
      ]),
    ],
  ],
  [
    ["/usr/bin/networkd-dispatcher"],
    ["carrier", "configured", "configuring", "degraded", "dormant", "no-carrier", "off", "routable"].flatMap((name) => [
      `/etc/networkd-dispatcher/${name}.d`,
      `/usr/lib/networkd-dispatcher/${name}.d`,
    ]),
  ],
  [
    ["/usr/sbin/cron", "/usr/sbin/crond", "/usr/sbin/anacron"],
    ["hourly", "daily", "weekly", "monthly"].map((name) => `/etc/cron.${name}`),
  ],
  [["/usr/sbin/ifup"], ["if-pre-up", "if-up", "if-down", "if-post-down"].map((name) => `/etc/network/${name}.d`)],
  [["/usr/sbin/pppd"], ["ip-up", "ip-down", "ipv6-up", "ipv6-down"].map((name) => `/etc/ppp/${name}.d`)],
];

/** Those that the image runs. */
export async function hookFolders(fs: RootFs): Promise<string[]> {
  const found: string[] = [];
  for (const [runBy, folders] of HOOKS) {
    const isRun = (await Promise.all(runBy.map(async (program) => await fs.exists(program)))).includes(true);
    if (isRun) found.push(...folders);
  }
  return found;
}

/** Services of System V that would be started, and that no unit has replaced. Source: systemd-sysv-generator(8) */
export async function servicesWithoutUnits(fs: RootFs): Promise<string[]> {
  const started = new Set<string>();
  for (const level of ["S", "2", "3", "4", "5"]) {
    for (const name of await fs.list(`/etc/rc${level}.d`)) {
      const service = /^S\d\d(.+)$/.exec(name)?.[1];
      if (service !== undefined) started.add(service);
    }
  }
  const units = new Set<string>();
  for (const folder of [OWN_UNITS, ...(await unitFolders(fs))]) for (const name of await fs.list(folder)) units.add(name);
  return [...started].filter((name) => !units.has(`${name.replace(/\.sh$/, "")}.service`)).map((name) => `/etc/init.d/${name}`);
}
