import { formatSize, type Bytes } from "../../core/units.ts";
import type { DhcpPlan } from "./dhcp.ts";
import type { NetbootMemory } from "./netboot-folder.ts";

/** What a machine does without being asked. */
export interface Installation {
  /** Which one, for people. */
  readonly machine: string;
  readonly device: string;
  readonly wipe: boolean;
}
export interface Serving {
  readonly name: string;
  readonly sizes: { readonly kernel: Bytes; readonly initrd: Bytes };
  readonly memory: NetbootMemory | undefined;
  /** Of the script, one for each address. */
  readonly urls: readonly string[];
  /** Whose machine configs there are. */
  readonly machines: readonly string[];
  readonly installs: readonly Installation[];
  readonly dhcp: DhcpPlan | undefined;
}

/** For programs. */
export const servingEvent = ({ urls, machines, installs, memory, dhcp }: Serving) => ({
  ...{ type: "serving", urls, machines, installs },
  ...(memory === undefined ? {} : { memory }),
  ...(dhcp ? { dhcp: dhcp.mode, interface: dhcp.interface.name } : {}),
});

/** For people: what is served, what comes of it, and what to type. */
export function servingText({ name, sizes, memory, urls, machines, installs, dhcp }: Serving): string {
  const lines = [
    `serving ${name}: kernel ${formatSize(sizes.kernel)}, initrd ${formatSize(sizes.initrd)}`,
    ...(memory === undefined
      ? []
      : [`for machines with ${formatSize(memory.bios)} of memory or more, with UEFI ${formatSize(memory.uefi)}`]),
    ...(machines.length > 0 ? [`machine configs: ${machines.join(", ")}`] : []),
    ...installs.map(
      ({ machine, device, wipe }) =>
        `installs by itself: ${machine}, to ${device}${wipe ? ", OVER ANY DATA there" : ", where that is blank"}`,
    ),
    ...(dhcp?.mode === "proxy" ? [`machines on ${dhcp.interface.name} that boot from the network are told to come here`] : []),
    ...(dhcp?.mode === "full"
      ? [`machines on ${dhcp.interface.name} get addresses ${dhcp.range.join("-")}, and boot from here`]
      : []),
    ...urls.map((url) => `to type into iPXE: dhcp && chain ${url}`),
  ];
  return lines.join("\n");
}
