/** @portable What an image listens on, as far as its files say it. */
import type { ImageTree } from "../image-tree.ts";
import { isOn, listOf, valueOf } from "../unit-file.ts";
import type { Finding } from "./finding.ts";
import { baseName } from "./program-format.ts";
import { programOf } from "./services.ts";
import { sshAddresses } from "./sshd-config.ts";
import type { StartedUnit } from "./started-units.ts";

/** What is listened on, by the settings of sockets. Source: systemd.socket(5) */
const LISTENS: Readonly<Record<string, (value: string) => Pick<Finding, "kind" | "name">>> = {
  ListenStream: (value) => address("tcp", value),
  ListenDatagram: (value) => address("udp", value),
  ListenSequentialPacket: (value) => address("seqpacket", value),
  ListenFIFO: (value) => local("fifo", value),
  ListenSpecial: (value) => local("file", value),
  ListenNetlink: (value) => local("netlink", value),
  ListenMessageQueue: (value) => local("message queue", value),
  ListenUSBFunction: (value) => local("usb", value),
};

/**
 * Addresses of programs that open their own sockets, as they come; their own settings may say otherwise.
 *
 * Each is what the program's manual has as the default.
 */
const DEFAULTS: Readonly<Record<string, readonly string[]>> = {
  chronyd: ["udp 127.0.0.1:323", "udp [::1]:323"],
  "systemd-resolved": ["udp 127.0.0.53:53", "tcp 127.0.0.53:53", "udp 127.0.0.54:53", "tcp 127.0.0.54:53"],
  dhclient: ["udp *:68"],
  dhcpcd: ["udp *:68"],
  "avahi-daemon": ["udp *:5353"],
  dnsmasq: ["udp *:53", "tcp *:53"],
  named: ["udp *:53", "tcp *:53"],
  unbound: ["udp 127.0.0.1:53", "tcp 127.0.0.1:53"],
  rpcbind: ["udp *:111", "tcp *:111"],
  "rpc.statd": ["udp *", "tcp *"],
  "rpc.nfsd": ["tcp *:2049"],
  smbd: ["tcp *:139", "tcp *:445"],
  nginx: ["tcp *:80"],
  apache2: ["tcp *:80"],
  httpd: ["tcp *:80"],
  lighttpd: ["tcp *:80"],
  caddy: ["tcp *:80", "tcp *:443", "tcp 127.0.0.1:2019"],
  cupsd: ["tcp 127.0.0.1:631"],
  snmpd: ["udp 127.0.0.1:161"],
  vsftpd: ["tcp *:21"],
  "redis-server": ["tcp 127.0.0.1:6379"],
  kubelet: ["tcp *:10250", "tcp 127.0.0.1:10248"],
  k3s: ["tcp *:6443", "tcp *:10250"],
  etcd: ["tcp 127.0.0.1:2379", "tcp 127.0.0.1:2380"],
  dropbear: ["tcp *:22"],
  "prometheus-node-exporter": ["tcp *:9100"],
  node_exporter: ["tcp *:9100"],
};
/** A program may be called anything, `constructor` too. */
const DAEMONS: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(DEFAULTS));
/** Programs that are known to open no port by themselves. */
const QUIET =
  /^(?:systemd-(?!resolved).*|udevadm|agetty|login|dbus-daemon|dbus-broker.*|kmod|modprobe|mount|umount|true|false|sleep|sh|echo|cron|crond|rsyslogd|fstrim|sulogin|journalctl|systemctl|auditd|irqbalance|polkitd|accounts-daemon|mdadm)$/;
/** petrify's programs listen on sockets that units hand to them. docs/concepts/api.md */
const OWN = /^\/usr\/lib\/petrify\//;

export interface Listening {
  readonly findings: readonly Finding[];
  /** Services that may open ports which their files do not tell. */
  readonly unknown: readonly string[];
}

export function listening(tree: ImageTree, started: ReadonlyMap<string, StartedUnit>): Listening {
  const all = [...started.values()];
  const sockets = all.filter(({ unit }) => unit.name.endsWith(".socket"));
  const services = all.filter(({ unit }) => unit.name.endsWith(".service"));
  const handed = new Set(services.filter(({ by }) => by?.endsWith(".socket")).map(({ unit }) => unit.name));
  const own = services.filter(({ unit: { name, settings } }) => !handed.has(name) && canListen(settings));
  const known = own.flatMap(({ unit: { name, settings } }) => portsOf(tree, baseName(programOf(settings) ?? ""), name));
  const unknown = own.flatMap(({ unit: { name, settings } }) => {
    const path = programOf(settings) ?? "";
    const program = baseName(path);
    const isKnown = program === "" || OWN.test(path) || QUIET.test(program) || program === "sshd" || DAEMONS.has(program);
    return isKnown || valueOf(settings, "Service", "Type") === "oneshot" ? [] : [name];
  });
  return { findings: [...sockets.flatMap(socketFindings), ...known], unknown: unknown.toSorted() };
}

const socketFindings = ({ unit: { name, settings } }: StartedUnit): readonly Finding[] =>
  Object.entries(LISTENS).flatMap(([key, listen]) =>
    listOf(settings, "Socket", key).map((value) => ({ ...listen(value), detail: name })),
  );

/** `22`, `192.0.2.1:22`, `[::]:22`, `vsock:2:22`, `/run/a.sock`, `@a`. Source: systemd.socket(5), `ListenStream=` */
function address(protocol: string, value: string): Pick<Finding, "kind" | "name"> {
  // `%t` and others stand for folders. Source: systemd.unit(5), "Specifiers"
  if (/^(?:[/@]|%[tSCLEdD]\/)/.test(value)) return local("unix", value.replace(/^%t(?=\/)/, "/run"));
  if (value.startsWith("vsock:")) return { kind: "listensNetwork", name: `vsock ${value.slice("vsock:".length)}` };
  return port(`${protocol} ${/^\d+$/.test(value) ? `*:${value}` : value}`);
}
const local = (what: string, value: string): Pick<Finding, "kind" | "name"> => ({
  kind: "listensLocal",
  name: `${what} ${value}`,
});

/** Other machines do not reach what is bound to the loopback. */
const port = (name: string): Pick<Finding, "kind" | "name"> => ({
  kind: / (?:127\.|\[::1\]|localhost:)/.test(name) ? "listensLocal" : "listensNetwork",
  name,
});

/** The same of services that OpenRC starts, which are known by their names alone. */
export const openrcListening = (tree: ImageTree, services: readonly Finding[]): readonly Finding[] =>
  [...new Set(services.map(({ name }) => baseName(name)))].flatMap((name) => portsOf(tree, name === "ssh" ? "sshd" : name, name));

/** @param service that starts the program */
function portsOf(tree: ImageTree, program: string, service: string): readonly Finding[] {
  const ports = program === "sshd" ? sshAddresses(tree).map((at) => `tcp ${at}`) : (DAEMONS.get(program) ?? []);
  const how = program === "sshd" ? "as /etc/ssh/sshd_config has it" : "unless its settings say otherwise";
  return ports.map((name) => ({ ...port(name), detail: `${service}, ${how}` }));
}

/** Whether the kernel lets a service open a port that others can reach. Source: systemd.exec(5) */
function canListen(settings: UnitSettings): boolean {
  const families = listOf(settings, "Service", "RestrictAddressFamilies");
  const isConfined = families.length > 0 && !families.some((one) => one.startsWith("~") || /AF_(?:INET|PACKET|VSOCK)/.test(one));
  return !isOn(settings, "Service", "PrivateNetwork") && !isConfined && valueOf(settings, "Service", "SocketBindDeny") !== "any";
}
type UnitSettings = StartedUnit["unit"]["settings"];
