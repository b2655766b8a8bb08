/** @portable Options of bonds as the kernel calls them, and times as it counts them. */
import type { BondSettings } from "./netplan.ts";

const UNITS: Readonly<Record<string, number>> = { us: 0.0001, ms: 0.1, s: 100, m: 6000, min: 6000, h: 360_000 };
/** Hundredths of the unit that a number alone has; seconds of a time. */
export function hundredths(value: string | number): number {
  const [, digits = "0", unit] = /^(\d+)([a-z]*)$/.exec(String(value)) ?? [];
  return Math.round(Number(digits) * (UNITS[unit ?? ""] ?? 100));
}

const milliseconds = (value: string | number | undefined): number | undefined =>
  value === undefined ? undefined : typeof value === "number" || /^\d+$/.test(value) ? Number(value) : hundredths(value) * 10;

type Option = readonly [key: string, value: string | number | readonly string[] | undefined];

/** The mode comes first: others depend on it. Without `primary`, which needs a link in the bond. Source: Linux, Documentation/networking/bonding.rst */
export function bondOptions(is: BondSettings["parameters"] = {}): Option[] {
  const active = is["all-members-active"] ?? is["all-slaves-active"];
  const learn = is["learn-packet-interval"];
  return [
    ["mode", is.mode],
    ["miimon", milliseconds(is["mii-monitor-interval"])],
    ["updelay", milliseconds(is["up-delay"])],
    ["downdelay", milliseconds(is["down-delay"])],
    ["lacp_rate", is["lacp-rate"]],
    ["min_links", is["min-links"]],
    ["xmit_hash_policy", is["transmit-hash-policy"]],
    ["ad_select", is["ad-select"]],
    ["all_slaves_active", active === undefined ? undefined : Number(active)],
    ["arp_interval", milliseconds(is["arp-interval"])],
    ["arp_ip_target", is["arp-ip-targets"]],
    ["arp_validate", is["arp-validate"]],
    ["arp_all_targets", is["arp-all-targets"]],
    ["fail_over_mac", is["fail-over-mac-policy"]],
    ["num_grat_arp", is["gratuitous-arp"] ?? is["gratuitious-arp"]],
    ["packets_per_slave", is["packets-per-member"] ?? is["packets-per-slave"]],
    ["primary_reselect", is["primary-reselect-policy"]],
    ["resend_igmp", is["resend-igmp"]],
    ["lp_interval", learn === undefined ? undefined : hundredths(learn) / 100],
  ];
}
