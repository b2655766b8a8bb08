/** @portable The unit that a debug container runs in: what of its bounds is systemd's. Pure. docs/concepts/debug.md */
import type { Seconds } from "../core/units.ts";
import { capabilitiesFor, type Capability, type DebugRight } from "./debug-rights.ts";
import { EARLY_PROGRAM } from "./fstab.ts";

/** Of the program that starts containers: none outlives it. */
const DEBUG_SERVICE = "petrify-debug.service";

export interface DebugUnit {
  /** Without a suffix: `petrify-debug-1a2b`. */
  readonly name: string;
  readonly rights: ReadonlySet<DebugRight>;
  /** The early program's {@link ContainerPlan}. */
  readonly plan: string;
  readonly seconds: Seconds;
}

/** To make the container, before its programs have less: mounts, a root of its own. */
const TO_MAKE: readonly Capability[] = ["SYS_ADMIN", "SYS_CHROOT"];

/** systemd-run, which is the program's parent for whoever starts it: it has its input and output, and its exit code. Source: systemd-run(1), systemd.exec(5) */
export function debugUnitArguments({ name, rights, plan, seconds }: DebugUnit): [string, ...string[]] {
  const properties = [...ALWAYS, `RuntimeMaxSec=${seconds}`, ...boundsOf(rights)];
  return [
    ...(["systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--service-type=exec", `--unit=${name}`] as const),
    // What is run in it is in the audit log, and nowhere else.
    "--description=Debug container",
    ...properties.map((property) => `--property=${property}`),
    ...["--", EARLY_PROGRAM, "contain", plan],
  ];
}

const ALWAYS = [
  ...[`BindsTo=${DEBUG_SERVICE}`, `After=${DEBUG_SERVICE}`],
  ...["TimeoutStopSec=3s", "SendSIGHUP=yes", "IgnoreSIGPIPE=no", "OOMScoreAdjust=600", "CPUWeight=50", "IOWeight=50"],
  ...["MemoryMax=50%", "TasksMax=512", "LimitCORE=0", "KeyringMode=private", "PrivateMounts=yes", "UMask=0022"],
];

function boundsOf(rights: ReadonlySet<DebugRight>): string[] {
  const network = rights.has("network") ? [] : ["PrivateNetwork=yes"];
  const capabilities = capabilitiesFor(rights);
  if (!capabilities) return network;
  const bounding = [...new Set([...capabilities, ...TO_MAKE])].map((one) => `CAP_${one}`).join(" ");
  return [
    ...network,
    ...["NoNewPrivileges=yes", `CapabilityBoundingSet=${bounding}`, "PrivateIPC=yes", "ProtectHostname=yes"],
    ...["RestrictRealtime=yes", "LockPersonality=yes", "RestrictNamespaces=mnt pid"],
    ...["SystemCallArchitectures=native", "SystemCallFilter=@system-service @mount @debug", "SystemCallErrorNumber=EPERM"],
    ...(rights.has("devices") ? [] : ["DevicePolicy=closed"]),
  ];
}
