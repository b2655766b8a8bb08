import { join } from "node:path";
import { z } from "zod";
import { listFolder, readHead, readText } from "../../host/files.ts";
import { ownerNames } from "../../layout/owner-names.ts";
import { parseProcessStat, TICKS } from "../../layout/proc-stat.ts";
import type { ProcessesResponseJson, ProcessJson } from "../../protocol/petrify/v1/system_pb.ts";
import { turnstile } from "../../registry/at-once.ts";
import { bootTime } from "./boot-time.ts";
import { lookCall, type LookPorts } from "./call.ts";
import { durationJson, timestampJson, wholeJson } from "./json.ts";

/** Each has a few files open meanwhile. */
const AT_ONCE = 16;
/** Of what a process was started with. */
const ARGV_BYTES = 4096;
/** Of x86-64. */
const PAGE = 4096;

export const processes = lookCall({
  request: z.strictObject({}),
  answer: async (_request, ports, signal): Promise<ProcessesResponseJson> => {
    const boot = await bootTime(ports);
    const users = await userNames(ports);
    const pids = (await listFolder(join(ports.root, "proc"))).filter((name) => /^\d+$/.test(name)).map(Number);
    const enter = turnstile(AT_ONCE);
    const found = await Promise.all(
      pids
        .toSorted((one, other) => one - other)
        .map(
          async (pid) =>
            await enter(async () => {
              signal.throwIfAborted();
              return await processOf(join(ports.root, "proc", String(pid)), boot, users);
            }),
        ),
    );
    return { processes: found.filter((one) => one !== undefined) };
  },
});

/** @returns nothing for one that has ended meanwhile, and for the kernel's own */
async function processOf(folder: string, boot: number, users: ReadonlyMap<number, string>): Promise<ProcessJson | undefined> {
  const read = async (name: string): Promise<string> => await readText(join(folder, name)).catch(() => "");
  const stat = parseProcessStat(await read("stat"));
  if (!stat || stat.ofKernel) return undefined;
  const uid = Number(/^Uid:\s*(\d{1,10})/m.exec(await read("status"))?.[1] ?? 0);
  const argv = (await readHead(join(folder, "cmdline"), ARGV_BYTES)) ?? new Uint8Array();
  return {
    ...{ pid: stat.pid, parent: stat.parent, uid, user: users.get(uid) ?? "", name: stat.name, state: stat.state },
    argv: argvOf(argv),
    ...{ memory: wholeJson(stat.resident * PAGE), threads: stat.threads, cpuTime: durationJson(stat.ticks / TICKS) },
    ...{ since: timestampJson(boot + stat.start / TICKS), unit: unitOf(await read("cgroup")) },
  };
}

/** Arguments end with a zero; a process may write over them with anything. */
const argvOf = (bytes: Uint8Array): string[] =>
  new TextDecoder()
    .decode(bytes)
    .replace(/\0+$/, "")
    .split("\0")
    .filter((part, at) => at > 0 || part !== "");

/** The unit in systemd's hierarchy: `0::/system.slice/ssh.service`, also below it. */
export const unitOf = (cgroup: string): string =>
  /^\d+:(?:name=systemd)?:.*?\/([^/\n]+\.(?:service|scope|socket|mount|swap))(?:\/.*)?$/m.exec(cgroup)?.[1] ?? "";

async function userNames({ root }: Pick<LookPorts, "root">): Promise<ReadonlyMap<number, string>> {
  const passwd = await readText(join(root, "etc/passwd")).catch(() => "");
  const { users } = ownerNames(passwd, "");
  // The first one of a number counts, as for getpwuid(3).
  return new Map([...users].toReversed().map(([name, { uid }]) => [uid, name]));
}
