/** Entries of a machine's journal, as `petrify logs` gets them: from the program that reads them there, through the API, to a pipe here. */
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fakeAuthority, fakeMachine, fakeStatus } from "../src/agent/api/testing.ts";
import { encodeContexts } from "../src/client/contexts.ts";
import { makeFolder } from "../src/host/files.ts";
import { apiProgram, startApi } from "../tests/support/api-program.ts";
import { canReplacePrograms, startLook } from "../tests/support/look-program.ts";
import type { BenchContext } from "./context.ts";
import type { Comparison, Report } from "./report.ts";
import { spread } from "./stats.ts";

const ENTRIES = 200_000;
const PETRIFY = join(import.meta.dirname, "../petrify");

/** As journalctl writes them for petrify-look: src/layout/journalctl.ts. */
function journal(): string {
  const boot = "0123456789abcdef0123456789abcdef";
  const entry = (index: number): object => ({
    __CURSOR: `s=${boot};i=${index.toString(16)};b=${boot};m=${index.toString(16)};t=6443${index.toString(16)};x=fedcba9876543210`,
    __REALTIME_TIMESTAMP: String(1_763_844_136_000_042 + index * 1000),
    __MONOTONIC_TIMESTAMP: String(index * 1000),
    ...{ _BOOT_ID: boot, PRIORITY: String(3 + (index % 5)), SYSLOG_IDENTIFIER: "sshd", _COMM: "sshd", _TRANSPORT: "syslog" },
    ...{ _PID: String(700 + (index % 5000)), _SYSTEMD_UNIT: "ssh.service" },
    MESSAGE: `Accepted publickey for alice from 192.0.2.${index % 255} port ${index % 65_535} ssh2: ED25519 SHA256:6jrVGNkbPXuKQYVYwWXcVsUQmxJqqqzU0PSTcVJ5Y1s`,
  });
  return `${Array.from({ length: ENTRIES }, (_, index) => JSON.stringify(entry(index))).join("\n")}\n`;
}

export async function measureLogs(
  runs: number,
  { progress, folder: top, run, signal }: BenchContext,
): Promise<Pick<Report, "comparisons" | "notes">> {
  if (!(await canReplacePrograms()))
    return { comparisons: [], notes: ["No logs: nobody may put a journal in place of this machine's."] };
  await using folder = await mkdtempDisposable(join(top, "api-logs-"));
  const at = (name: string): string => join(folder.path, name);
  await writeFile(at("journal"), journal());
  const [authority, machine] = [await fakeAuthority(), await fakeMachine()];
  await using look = await startLook(`#!/bin/sh\nexec cat ${at("journal")}\n`);
  await using api = await startApi(
    await apiProgram(),
    { key: machine.key, "api_ca.pem": authority.certificate },
    { "GET /status": async () => await Promise.resolve(fakeStatus) },
    { look: look.socket },
  );
  const nodes = { "edge-7": { address: `127.0.0.1:${api.port}`, key: machine.fingerprint } };
  const context = { authorities: authority.certificate, credentials: await authority.person({ role: "reader" }), nodes };
  await makeFolder(at("petrify"));
  await writeFile(at("petrify/contexts.json"), encodeContexts({ format: 1, current: "bench", contexts: { bench: context } }));
  const env = { ...process.env, XDG_CONFIG_HOME: folder.path, XDG_CACHE_HOME: at("cache") };
  const seconds = async (script: string): Promise<number> => {
    const since = performance.now();
    const { stdout } = await run(["sh", "-ec", `${script} | wc -l`], { env, signal });
    if (Number(stdout) < ENTRIES) throw new Error(`${stdout} entries have come`);
    return (performance.now() - since) / 1000;
  };
  const programs = { "petrify-look": look.pid, "petrify-api": api.child.pid! };
  const before = await cpuOf(programs);
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let i = 0; i < runs; i++) {
    const step = async (name: string, script: string): Promise<number> =>
      await progress.step(`logs ${i + 1}/${runs}: ${name}`, async () => await seconds(script));
    ours.push(await step("petrify", `${PETRIFY} -n edge-7 logs --lines all --json`));
    theirs.push(await step("cat", `cat ${at("journal")} | cat`));
  }
  const after = await cpuOf(programs);
  const comparison: Comparison = {
    title: `\`petrify logs\` of ${ENTRIES} entries`,
    peer: "cat, of what journalctl writes",
    ...{ ours, theirs },
  };
  const cpu = Object.keys(programs).map((name) => `${name} ${((after[name]! - before[name]!) / runs).toFixed(1)} s`);
  const rate = Math.round(ENTRIES / spread(ours).median / 1000);
  return {
    comparisons: [comparison],
    notes: [`${rate},000 entries of the journal a second; CPU of the machine for all ${ENTRIES}: ${cpu.join(", ")}.`],
  };
}

/** Seconds of CPU, by name. Source: proc_pid_stat, in proc(5) */
async function cpuOf(programs: Readonly<Record<string, number>>): Promise<Readonly<Record<string, number>>> {
  const seconds = async ([name, pid]: [string, number]): Promise<[string, number]> => {
    const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
    return [name, (Number(fields[11]) + Number(fields[12])) / 100];
  };
  return Object.fromEntries(await Promise.all(Object.entries(programs).map(seconds)));
}
