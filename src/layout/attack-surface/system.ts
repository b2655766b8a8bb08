/** @portable What an image's system gives to somebody who attacks it: what starts, listens, and can be written to. */
import type { ImageTree } from "../image-tree.ts";
import { unitSet } from "../unit-set.ts";
import { consoleFindings } from "./console.ts";
import type { Finding } from "./finding.ts";
import { hookFindings } from "./hooks.ts";
import { kernelSettings } from "./kernel-settings.ts";
import { writableExecutable } from "./mounts.ts";
import { openrcServices } from "./openrc.ts";
import { rootServices } from "./services.ts";
import { listening, openrcListening } from "./sockets.ts";
import { startedUnits } from "./started-units.ts";
import { writableAtBoot } from "./tmpfiles.ts";

export interface SystemSurface {
  readonly findings: readonly Finding[];
  /** What cannot be known from files, a sentence each. */
  readonly notes: readonly string[];
}

/** @param commandLine the image's part of the kernel's command line */
export function systemSurface(tree: ImageTree, commandLine: string): SystemSurface {
  const units = unitSet(tree);
  const started = startedUnits(tree, units, serialLogins(commandLine));
  const hasUnits = started.size > 0;
  const services = hasUnits ? rootServices(started.values()) : openrcServices(tree);
  const { findings, unknown } = hasUnits ? listening(tree, started) : { findings: openrcListening(tree, services), unknown: [] };
  return {
    findings: [
      ...[...findings, ...services, ...writableAtBoot(tree), ...writableExecutable(tree, started.values())],
      ...[
        ...hookFindings(tree, units),
        ...consoleFindings(tree, units, started, commandLine),
        ...kernelSettings(tree, started.values()),
      ],
    ],
    notes: [
      ...(unknown.length === 0 ? [] : [`what these services listen on is not in their files: ${unknown.join(", ")}`]),
      ...(hasUnits ? [] : ["the image has no default target of systemd: of its services only names are known, if any"]),
    ],
  };
}

/** Source: systemd-getty-generator(8) */
const serialLogins = (commandLine: string): readonly string[] =>
  [...commandLine.matchAll(/(?:^|\s)console=(tty[A-Z]+\d+)/g)].map(([, name]) => `serial-getty@${name}.service`);
