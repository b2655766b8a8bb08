/** @portable Files of wpa_supplicant: wireless networks, and 802.1X on the wire. Source: wpa_supplicant.conf(5) */
import { MARK } from "../machine/compile/part.ts";
import { channelsOf, frequency } from "./channels.ts";
import type { NetworkProblem } from "./checks.ts";
import { interfaceName, type PhysicalLink } from "./links.ts";
import type { AccessPointSettings, AuthSettings } from "./netplan.ts";
import type { RenderedFile, Supplicant } from "./rendered.ts";
import { oneLine } from "./sections.ts";

const FOLDER = "/etc/wpa_supplicant";

interface SupplicantFile {
  readonly file?: RenderedFile;
  readonly supplicant?: Supplicant;
  readonly unsupported: readonly NetworkProblem[];
}

/** Nothing for a link that needs no supplicant. */
export function supplicantFile(link: PhysicalLink): SupplicantFile {
  const wired = link.kind === "ethernets";
  if (wired && !link.is.auth) return { unsupported: [] };
  const name = interfaceName(link);
  if (name === undefined) {
    const message =
      "may be any interface: wpa_supplicant has to be told its name, so give it a set-name, or a match without a pattern";
    return { unsupported: [{ path: [link.kind, link.id], message }] };
  }
  const networks = wired ? [network(undefined, link.is.auth ?? {})] : Object.entries(link.is["access-points"]).map(wireless);
  const country = wired ? undefined : link.is["regulatory-domain"];
  const head = [
    "ctrl_interface=/run/wpa_supplicant",
    ...(wired ? ["ap_scan=0"] : []),
    ...(country === undefined ? [] : [`country=${country}`]),
  ];
  const path = `${FOLDER}/wpa_supplicant-${wired ? "wired-" : ""}${name}.conf`;
  const text = `${MARK}${[...head, ...networks.flat()].map((line) => `${oneLine(line)}\n`).join("")}`;
  const unsupported = wired
    ? []
    : Object.entries(link.is["access-points"])
        .filter(([, { mode }]) => mode === "ap")
        .map(([ssid]) => ({
          path: [link.kind, link.id, "access-points", ssid, "mode"],
          message: "is an access point of one's own, which only NetworkManager makes",
        }));
  return { file: { path, mode: 0o600, text }, supplicant: { interface: name, wired }, unsupported };
}

function wireless([ssid, point]: readonly [string, AccessPointSettings]): string[] {
  const { password, auth, hidden, bssid, mode } = point;
  const own = [
    ...(bssid === undefined ? [] : [`bssid=${bssid.toLowerCase()}`]),
    ...(hidden === true ? ["scan_ssid=1"] : []),
    ...frequencies(point),
    ...(mode === "adhoc" ? ["mode=1"] : []),
  ];
  if (password === undefined) return network(ssid, auth ?? {}, own);
  // Whatever the access point offers of WPA2 and WPA3; management frames are protected where it can.
  return network(ssid, { password, "key-management": "psk" }, [...own, "ieee80211w=1"], "WPA-PSK WPA-PSK-SHA256 SAE");
}

const MANAGEMENT: Readonly<Record<NonNullable<AuthSettings["key-management"]>, readonly [string, ...string[]]>> = {
  none: ["NONE"],
  psk: ["WPA-PSK"],
  "psk-sha256": ["WPA-PSK WPA-PSK-SHA256", "ieee80211w=1"],
  sae: ["SAE", "ieee80211w=2"],
  eap: ["WPA-EAP"],
  "eap-sha256": ["WPA-EAP WPA-EAP-SHA256", "ieee80211w=1"],
  "eap-suite-b-192": ["WPA-EAP-SUITE-B-192", "ieee80211w=2"],
  "802.1x": ["IEEE8021X"],
};

function network(ssid: string | undefined, auth: AuthSettings, own: readonly string[] = [], offered?: string): string[] {
  const how = auth["key-management"] ?? "none";
  const [management, ...frames] = MANAGEMENT[how];
  const { password, method } = auth;
  const isKey = how === "psk" || how === "psk-sha256";
  const lines = [
    ...(ssid === undefined ? [] : [`ssid=${hex(ssid)}`]),
    ...own,
    `key_mgmt=${offered ?? management}`,
    ...frames,
    ...(method === undefined ? [] : [`eap=${method.toUpperCase()}`]),
    ...text("identity", auth.identity),
    ...text("anonymous_identity", auth["anonymous-identity"]),
    ...(password === undefined
      ? []
      : [isKey ? `psk=${isHexKey(password) ? password : quoted(password)}` : secret(how, password)]),
    ...path("ca_cert", auth["ca-certificate"]),
    ...path("client_cert", auth["client-certificate"]),
    ...path("private_key", auth["client-key"]),
    ...(auth["client-key-password"] === undefined ? [] : [`private_key_passwd=${quoted(auth["client-key-password"])}`]),
    ...(auth["phase2-auth"] === undefined ? [] : [`phase2=${quoted(`auth=${auth["phase2-auth"]}`)}`]),
  ];
  return ["network={", ...lines.map((line) => `  ${line}`), "}"];
}

const secret = (how: string, password: string): string => {
  if (how === "sae") return `sae_password=${quoted(password)}`;
  return `password=${/^hash:[0-9a-f]{32}$/.test(password) ? password : quoted(password)}`;
};
const isHexKey = (password: string): boolean => /^[0-9A-Fa-f]{64}$/.test(password);
/** Text may be written as the hexadecimal digits of its bytes, where no quote can end it. */
const text = (key: string, value: string | undefined): string[] =>
  value === undefined || value === "" ? [] : [`${key}=${hex(value)}`];
const path = (key: string, value: string | undefined): string[] => (value === undefined ? [] : [`${key}=${quoted(value)}`]);
/** The last quote of a line is its end: one within is a character like others. */
const quoted = (value: string): string => `"${value}"`;
const hex = (value: string): string =>
  Array.from(new TextEncoder().encode(value), (byte) => byte.toString(16).padStart(2, "0")).join("");

function frequencies({ band, channel, mode }: AccessPointSettings): string[] {
  if (band === undefined) return [];
  if (channel !== undefined) return [`${mode === "adhoc" ? "frequency" : "freq_list"}=${frequency(band, channel)}`];
  return mode === "adhoc"
    ? []
    : [
        `freq_list=${channelsOf(band)
          .map((number) => frequency(band, number))
          .join(" ")}`,
      ];
}
