/** @portable Folders whose files somebody runs by themselves, one after the other. */
import { CRON_PROGRAMS } from "./start-places.ts";

/** Whoever runs the folders, and they: without the program nobody looks into them. */
export const HOOK_FOLDERS: readonly (readonly [runBy: readonly string[], folders: readonly string[]])[] = [
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
  [[...CRON_PROGRAMS], ["hourly", "daily", "weekly", "monthly"].map((name) => `/etc/cron.${name}`)],
  [["/usr/sbin/ifup"], ["if-pre-up", "if-up", "if-down", "if-post-down"].map((name) => `/etc/network/${name}.d`)],
  [["/usr/sbin/pppd"], ["ip-up", "ip-down", "ipv6-up", "ipv6-down"].map((name) => `/etc/ppp/${name}.d`)],
];

/** Links to the services of System V that start. */
export const RC_FOLDERS = ["S", "2", "3", "4", "5"].map((level) => `/etc/rc${level}.d`);

/** Those of them that no unit has replaced. Source: systemd-sysv-generator(8) @param links names in {@link RC_FOLDERS} */
export function unreplacedServices(links: readonly string[], units: ReadonlySet<string>): string[] {
  const started = new Set(links.flatMap((name) => /^S\d\d(.+)$/.exec(name)?.[1] ?? []));
  return [...started].filter((name) => !units.has(`${name.replace(/\.sh$/, "")}.service`)).map((name) => `/etc/init.d/${name}`);
}
