/** Every call, by its name in the contract. */
import { captureCall } from "./capture.ts";
import { cgroups } from "./cgroups.ts";
import { containers } from "./containers.ts";
import { copy } from "./copy.ts";
import { cpu } from "./cpu.ts";
import { diff } from "./diff.ts";
import { disks } from "./disks.ts";
import { dmesg } from "./dmesg.ts";
import { events } from "./events.ts";
import { list } from "./list.ts";
import { load } from "./load.ts";
import { logs } from "./logs.ts";
import { memory } from "./memory.ts";
import { mounts } from "./mounts.ts";
import { network } from "./network.ts";
import { processes } from "./processes.ts";
import { read } from "./read.ts";
import { services } from "./services.ts";
import { time } from "./time.ts";
import { usage } from "./usage.ts";
import type { LookCalls } from "./call.ts";

export const LOOK_CALLS: LookCalls = {
  "CaptureService.Capture": captureCall(10_000),
  "LogService.Logs": logs,
  "LogService.Dmesg": dmesg,
  "EventService.Events": events,
  "SystemService.Services": services,
  "SystemService.Processes": processes,
  "SystemService.Memory": memory,
  "SystemService.Cpu": cpu,
  "SystemService.Load": load,
  "SystemService.Disks": disks,
  "SystemService.Mounts": mounts,
  "SystemService.Network": network,
  "SystemService.Time": time,
  "SystemService.Cgroups": cgroups,
  "SystemService.Containers": containers,
  "SystemService.Diff": diff,
  "SystemService.List": list,
  "SystemService.Usage": usage,
  "SystemService.Read": read,
  "CopyService.Copy": copy,
};
