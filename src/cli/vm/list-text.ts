import { basename } from "node:path";
import { formatSize } from "../../core/units.ts";
import { tableText } from "../table.ts";
import type { ListedVm } from "./list.ts";

const HEADS = ["NAME", "STATE", "IMAGE", "MEMORY", "CPUS", "PORTS", "PID", "UPTIME"] as const;

/** The list for people; what does not apply is `-`. */
export function listText(vms: readonly ListedVm[]): string {
  if (vms.length === 0) return "there are no VMs; make one with `petrify vm create NAME IMAGE`";
  return tableText(HEADS, vms.map(row));
}

function row({ name, state, image, source, memory, cpus, forwards = [], pid, uptime }: ListedVm): string[] {
  const what = image ? `${image.name} ${image.version}` : source && basename(source.path);
  const ports = forwards.map(({ host, guest }) => `${host}:${guest}`).join(",");
  return [
    ...[name, state, what ?? "-", memory === undefined ? "-" : formatSize(memory), String(cpus ?? "-"), ports || "-"],
    ...[String(pid ?? "-"), uptime === undefined ? "-" : uptimeText(uptime)],
  ];
}

/** In the two largest units: `3d 4h`, `5min 2s`. */
function uptimeText(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0s";
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(" ");
}
