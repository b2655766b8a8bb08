/** @portable `ntp` and `timezone`. */
import type { NodeConfig, NtpConfig } from "../node-config.ts";
import { disableLinks, enableLinks } from "./enable-unit.ts";
import type { ImageView } from "./image-view.ts";
import { gone, link, MARK, markedFile, textFile, type Draft, type Part, type Unsupported } from "./part.ts";
import { openrcDisable, openrcEnable } from "./units.ts";

const HOST = /^[A-Za-z0-9][A-Za-z0-9.:%_-]{0,252}$|^[0-9a-fA-F:]{2,45}$/;
const ZONE = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}$/;
const ZONES = "/usr/share/zoneinfo";

export function compileTime(config: NodeConfig, view: ImageView): Part {
  const [ntp, zone] = [compileNtp(config, view), compileZone(config, view)];
  return {
    drafts: [...(ntp.drafts ?? []), ...(zone.drafts ?? [])],
    unsupported: [...(ntp.unsupported ?? []), ...(zone.unsupported ?? [])],
  };
}

/** A program that sets the clock: how it is told of its servers, and what starts it. */
interface Client {
  readonly program: string;
  readonly service: { readonly systemd: readonly string[]; readonly openrc: string };
  readonly drafts: (ntp: NtpConfig, view: ImageView) => readonly Draft[];
}

/** The first that an image has. One that was installed on purpose comes before what systemd and busybox bring. */
const CLIENTS: readonly Client[] = [
  {
    program: "/usr/sbin/chronyd",
    service: { systemd: ["chrony.service", "chronyd.service"], openrc: "chronyd" },
    drafts: (ntp, view) => {
      const path = ["/etc/chrony/chrony.conf", "/etc/chrony.conf"].find((file) => view.has(file)) ?? "/etc/chrony.conf";
      const image = (view.read(path) ?? "driftfile /var/lib/chrony/drift\nmakestep 1 3\n").split("\n");
      const kept = image.filter((line) => !/^\s*(?:pool|server|peer|sourcedir\s+\/etc\/)/i.test(line));
      const own = [...ntp.servers.map((host) => `server ${host} iburst`), ...ntp.pools.map((host) => `pool ${host} iburst`)];
      return [textFile("ntp", path, `${MARK}${own.join("\n")}\n# The image's own:\n${kept.join("\n").trimEnd()}\n`)];
    },
  },
  {
    program: "/usr/lib/systemd/systemd-timesyncd",
    service: { systemd: ["systemd-timesyncd.service"], openrc: "" },
    // The empty value takes away what the image's files list.
    drafts: ({ servers, pools }) => [
      markedFile("ntp", "/etc/systemd/timesyncd.conf.d/90-petrify.conf", [
        "[Time]",
        "NTP=",
        `NTP=${[...servers, ...pools].join(" ")}`,
      ]),
    ],
  },
  {
    program: "/etc/init.d/ntpd",
    service: { systemd: ["ntpd.service"], openrc: "ntpd" },
    drafts: ({ servers, pools }) => [
      markedFile("ntp", "/etc/conf.d/ntpd", [`NTPD_OPTS="-N ${[...servers, ...pools].map((host) => `-p ${host}`).join(" ")}"`]),
    ],
  },
];

function compileNtp({ ntp }: NodeConfig, view: ImageView): Part {
  if (ntp === undefined) return {};
  const wrong = [...ntp.servers, ...ntp.pools].filter((host) => !HOST.test(host));
  if (wrong.length > 0)
    return {
      unsupported: wrong.map((host) => ({ key: "ntp", problem: `${JSON.stringify(host)} is no name or address of a server` })),
    };
  const client = CLIENTS.find(({ program }) => view.has(program));
  if (!client) {
    if (!ntp.enabled) return {};
    const hint = "Put chrony or systemd-timesyncd into the recipe.";
    return { unsupported: [{ key: "ntp", problem: "the image has no program that sets the clock", hint }] };
  }
  const drafts = ntp.enabled && ntp.servers.length + ntp.pools.length > 0 ? client.drafts(ntp, view) : [];
  const service = serviceLinks("ntp.enabled", client, ntp.enabled, view);
  return { drafts: [...drafts, ...(service.drafts ?? [])], unsupported: service.unsupported ?? [] };
}

function serviceLinks(key: string, { service }: Client, enabled: boolean, view: ImageView): Part {
  if (view.init === "openrc") return { drafts: (enabled ? openrcEnable : openrcDisable)(key, service.openrc, view) };
  const tried = service.systemd.map((name) => (enabled ? enableLinks : disableLinks)(key, name, view, []));
  return tried.find(({ unsupported }) => unsupported.length === 0) ?? tried[0]!;
}

function compileZone({ timezone }: NodeConfig, view: ImageView): Part {
  if (timezone === undefined) return {};
  const key = "timezone";
  const unsupported: Unsupported[] = [];
  const name = textFile(key, "/etc/timezone", `${timezone}\n`);
  if (!ZONE.test(timezone)) unsupported.push({ key, problem: "is no name of a time zone, such as Europe/Berlin" });
  else if (view.has(`${ZONES}/${timezone}`)) return { drafts: [link(key, "/etc/localtime", `..${ZONES}/${timezone}`), name] };
  // Without the file it is UTC. Source: localtime(5)
  else if (timezone === "UTC" || timezone === "Etc/UTC") return { drafts: [gone(key, "/etc/localtime"), name] };
  else if (view.has(ZONES)) unsupported.push({ key, problem: `the image's tzdata does not know ${timezone}` });
  else unsupported.push({ key, problem: "the image has no time zones", hint: "Put the package tzdata into the recipe." });
  return { unsupported };
}
