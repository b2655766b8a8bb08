/** @portable What a machine is called: `hostname`, `fqdn`, `manage_etc_hosts`. */
import type { NodeConfig } from "../node-config.ts";
import type { ImageView } from "./image-view.ts";
import { MARK, textFile, type Draft, type Part } from "./part.ts";

/** Debian's address for a machine's own name, which works on every distribution. Source: Debian Reference, 5.1.1 */
const OWN_ADDRESS = "127.0.1.1";
/** RFC 1123; what Linux takes is not longer. */
const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/;
const FULL_NAME = /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/;
const LEAST_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

export function compileNames({ hostname, fqdn, manageEtcHosts }: NodeConfig, view: ImageView): Part {
  if (hostname === undefined) return {};
  const problem = "is no name of a host";
  if (!NAME.test(hostname)) return { unsupported: [{ key: "hostname", problem }] };
  if (fqdn !== undefined && !FULL_NAME.test(fqdn)) return { unsupported: [{ key: "fqdn", problem }] };
  // OpenRC's service reads it, too.
  const name: Draft = { ...textFile("hostname", "/etc/hostname", `${hostname}\n`), recovery: true };
  if (manageEtcHosts !== true) return { hostname, drafts: [name] };
  const names = fqdn === undefined || fqdn === hostname ? hostname : `${fqdn} ${hostname}`;
  const image = (view.read("/etc/hosts") ?? LEAST_HOSTS).split("\n").filter((line) => !line.startsWith(OWN_ADDRESS));
  const text = `${MARK}${image.join("\n").trimEnd()}\n${OWN_ADDRESS} ${names}\n`;
  return { hostname, drafts: [name, { ...textFile("manage_etc_hosts", "/etc/hosts", text), recovery: true }] };
}
