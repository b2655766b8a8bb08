/** Every call, by its name in the contract. */
import { cpu } from "./cpu.ts";
import { load } from "./load.ts";
import { memory } from "./memory.ts";
import { processes } from "./processes.ts";
import { services } from "./services.ts";
import type { LookCalls } from "./call.ts";

export const LOOK_CALLS: LookCalls = {
  "SystemService.Services": services,
  "SystemService.Processes": processes,
  "SystemService.Memory": memory,
  "SystemService.Cpu": cpu,
  "SystemService.Load": load,
};
