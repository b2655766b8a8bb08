import { join } from "node:path";
import { makeFolder } from "../src/host/files.ts";
import { AppError } from "../src/core/error.ts";
import type { Bytes } from "../src/core/units.ts";
import { startVm } from "../src/vm/vm.ts";
import type { BenchContext } from "./context.ts";

/** Of one boot. Times in seconds. */
export interface AgentFigures {
  /** Of all its threads, from its start until it answers. */
  readonly cpu: number;
  /** From PID 1's start. */
  readonly answers: number;
  readonly multiUser: number;
  /** A minute later. */
  readonly resident: Bytes;
  readonly private: Bytes;
}

const END = "BENCH-AGENT-END";
const console = "StandardOutput=tty\nTTYPath=/dev/ttyS0";
const SHOW = "--property=Id,CPUUsageNSec,ActiveEnterTimestampMonotonic";

/** What is used until multi-user is reached, and the memory of an idle minute later. */
export const AGENT_UNITS = {
  "bench-agent.service": `[Unit]
Description=Says on the console what the agent's start has taken
After=multi-user.target

[Service]
Type=oneshot
${console}
ExecStart=/bin/echo
ExecStart=/bin/systemctl show ${SHOW} petrifyd.service multi-user.target
ExecStart=/bin/echo
ExecStart=/bin/systemctl show --property=UserspaceTimestampMonotonic
ExecStart=/bin/echo

[Install]
WantedBy=multi-user.target
`,
  "bench-agent-memory.timer": `[Unit]
Description=A minute without anything else to do

[Timer]
OnActiveSec=60

[Install]
WantedBy=multi-user.target
`,
  "bench-agent-memory.service": `[Unit]
Description=Says on the console how much memory the agent has

[Service]
Type=oneshot
${console}
ExecStart=/bin/sh -c 'cat /proc/$$(systemctl show --property=MainPID --value petrifyd)/smaps_rollup; echo ${END}'

[Install]
WantedBy=bench-never.target
`,
} as const;

const LIMIT_MS = 600_000;

export async function measureOneAgent(
  disk: string,
  { tools, caller, run, signal, folder: top }: BenchContext,
): Promise<AgentFigures> {
  const folder = join(top, "vm");
  await makeFolder(folder);
  await using vm = await startVm(
    { tools, caller, run, folder, signal },
    { disks: [{ path: disk, format: "raw", writes: "discard" }], accelerator: "tcg", firmware: "bios" },
  );
  await vm.waitForConsole(END, { timeoutMs: LIMIT_MS });
  return agentFigures(vm.consoleText());
}

/** @param text of the console @throws AppError `AGENT_UNCLEAR` when it does not say everything */
export function agentFigures(text: string): AgentFigures {
  const missing = (what: string): never => {
    throw new AppError("AGENT_UNCLEAR", `the console does not say ${what}:\n${text}`);
  };
  // systemctl separates units by an empty line. A login prompt may stand in front of any line.
  const blocks = text
    .replaceAll("\r", "")
    .split("\n\n")
    .map((block) => new Map([...block.matchAll(/(?:^|\s)(\w+)=(\S+)$/gm)].map(([, key, value]) => [key, value])));
  const of = (id: string | undefined, key: string): number =>
    Number(blocks.find((block) => block.has(key) && block.get("Id") === id)?.get(key) ?? missing(`${key} of ${id ?? "systemd"}`));
  const kib = (name: string): Bytes => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? missing(name)) * 1024;
  const start = of(undefined, "UserspaceTimestampMonotonic");
  return {
    cpu: of("petrifyd.service", "CPUUsageNSec") / 1e9,
    answers: (of("petrifyd.service", "ActiveEnterTimestampMonotonic") - start) / 1e6,
    multiUser: (of("multi-user.target", "ActiveEnterTimestampMonotonic") - start) / 1e6,
    resident: kib("Rss"),
    private: kib("Private_Dirty"),
  };
}
