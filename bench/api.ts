/** The API of a machine: what its program needs, how fast it answers, and how long many machines take that are asked at once. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fakeAuthority, fakeMachine, fakeStatus, type Pair } from "../src/agent/api/testing.ts";
import { openNode, type NodeConnection } from "../src/client/open-node.ts";
import { encodeContexts, type Contexts } from "../src/client/contexts.ts";
import { run } from "../src/host/run.ts";
import type { Bytes } from "../src/core/units.ts";
import { apiProgram, startApi, type StartedApi } from "../tests/support/api-program.ts";
import { measureLogs } from "./api-logs.ts";
import type { BenchContext } from "./context.ts";
import type { Comparison, Report } from "./report.ts";
import { percentile } from "./stats.ts";

const TOP = join(import.meta.dirname, "..");
const NODES = 500;
/** Seconds. */
const MANY = { seconds: 3 } as const;
const HOST = "127.0.0.1";
const CALLS = 2000;
const WAITING = 200;
/** Until memory that is not needed has been given back; milliseconds. */
const SETTLES = 5000;

export async function measureApi(runs: number, context: BenchContext): Promise<Pick<Report, "comparisons" | "notes">> {
  const { progress } = context;
  const one = await progress.step("one machine: calls and memory", async () => await measureOne(context));
  const many = await measureMany(runs, context);
  const logs = await measureLogs(runs, context);
  return { comparisons: [...many, ...logs.comparisons], notes: [...one, ...logs.notes] };
}

/** What an operation says that goes on. */
async function* follow(gone: AbortSignal): AsyncGenerator<object> {
  yield { now: { id: "1", kind: "upgrade", at: "writing", text: "writing slot b", percent: 7 } };
  await once(gone, "abort");
}

async function measureOne({ signal }: BenchContext): Promise<string[]> {
  const [authority, machine] = [await fakeAuthority(), await fakeMachine()];
  const credentials = { ...(await authority.person()), authorities: authority.certificate };
  await using api = await startApi(
    await apiProgram(),
    { key: machine.key, "api_ca.pem": authority.certificate },
    { "GET /status": async () => await Promise.resolve(fakeStatus), "GET /operation": follow },
  );
  const target = { name: "edge-7", host: HOST, port: api.port, fingerprint: machine.fingerprint };
  await using scope = new AsyncDisposableStack();
  const open = async (): Promise<NodeConnection> => scope.use(await openNode(target, credentials, () => {}, signal));
  const { node } = await open();
  await node.version({});
  await setTimeout(SETTLES);
  const idle = await memoryOf(api);
  const times: number[] = [];
  for (let i = 0; i < CALLS; i++) {
    const since = performance.now();
    await node.version({});
    times.push(performance.now() - since);
  }
  const followers = await Promise.all(Array.from({ length: WAITING }, open));
  await Promise.all(followers.map(async (follower) => await follower.node.followOperation({})[Symbol.asyncIterator]().next()));
  const loaded = await memoryOf(api);
  const text = ({ resident, own }: Memory): string => `${megabytes(resident)} resident (${megabytes(own)} its own)`;
  return [
    `A call takes ${percentile(times, 0.5).toFixed(1)} ms (median; 99 of 100 take less than ${percentile(times, 0.99).toFixed(1)} ms), of ${CALLS} on one connection; the agent's part is not in it.`,
    `Memory of the API's program: ${text(idle)} when idle; ${text(loaded)} after these calls, with ${WAITING} connections on which somebody waits for news.`,
  ];
}

interface Memory {
  readonly resident: Bytes;
  readonly own: Bytes;
}
const megabytes = (bytes: Bytes): string => `${Math.round(bytes / 1e6)} MB`;

/** Source: proc_pid_smaps_rollup, in proc(5) */
async function memoryOf({ child }: StartedApi): Promise<Memory> {
  const text = await readFile(`/proc/${child.pid}/smaps_rollup`, "utf8");
  const of = (name: string): Bytes => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1]) * 1024;
  return { resident: of("Rss"), own: of("Private_Clean") + of("Private_Dirty") };
}

/** `petrify --all version` beside curl, which asks the same of the same machines, as many at a time; and beside handshakes with them, and nothing else. */
async function measureMany(runs: number, { progress, folder: top, signal }: BenchContext): Promise<Comparison[]> {
  await using folder = await mkdtempDisposable(join(top, "api-"));
  const authority = await fakeAuthority();
  const addresses = Array.from({ length: NODES }, (_, index) => `127.1.${index >> 8}.${index & 255}`);
  const machine = await fakeMachine();
  const person = await authority.person();
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder.path, name), text);
    return join(folder.path, name);
  };
  const ca = await file("ca.pem", authority.certificate);
  const [certificate, key] = [await file("person.pem", person.certificate), await file("person.key", person.key)];
  await using nodes = await startNodes(await file("node.key", machine.key), await file("node.pem", machine.certificate), ca);
  await run(["mkdir", "--parents", join(folder.path, "petrify")]);
  await file(
    "petrify/contexts.json",
    contextsOf({ authorities: authority.certificate, credentials: person }, machine.fingerprint, addresses, nodes.port),
  );
  const curl = [
    ...["silent", "show-error", "fail", "parallel", "parallel-max = 64", `cert = ${certificate}`, `key = ${key}`],
    // Known by its key, as to petrify.
    ...["insecure", `pinnedpubkey = "sha256//${machine.fingerprint.slice("SHA256:".length)}="`],
    ...['header = "content-type: application/json"', 'data = "{}"'],
    ...addresses.flatMap((address) => [
      `url = https://${address}:${nodes.port}/petrify.v1.NodeService/Version`,
      "output = /dev/null",
    ]),
  ];
  const config = await file("curl", `${curl.join("\n")}\n`);
  // What Node made of petrify's sources is kept, as it is on any machine. Source: ../petrify
  const env = { ...process.env, XDG_CONFIG_HOME: folder.path, XDG_CACHE_HOME: join(folder.path, "cache") };
  const handshakes = [join(import.meta.dirname, "api-handshakes.ts"), certificate, key, ca] as const;
  const SIDES = {
    petrify: [join(TOP, "petrify"), "--all", "version", "--json"],
    "curl, 64 at a time": ["curl", "--config", config],
    "handshakes alone, by Node": [process.execPath, ...handshakes, join(folder.path, "petrify/contexts.json")],
  } as const;
  const seconds = async (argv: readonly [string, ...string[]]): Promise<number> => {
    const since = performance.now();
    await run(argv, { env, signal });
    return (performance.now() - since) / 1000;
  };
  await seconds(SIDES.petrify);
  const { petrify: ours, ...peers } = await timesOf(SIDES, runs, async (name, argv) => {
    return await progress.step(`${NODES} machines: ${name}`, async () => await seconds(argv));
  });
  const title = `\`petrify --all version\` of ${NODES} machines`;
  return Object.entries(peers).map(([peer, theirs]) => ({ title, peer, ours, theirs, goal: MANY }));
}

/** By turns. */
async function timesOf<Name extends string, Side>(
  sides: Readonly<Record<Name, Side>>,
  runs: number,
  measure: (name: Name, side: Side) => Promise<number>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(sides) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>;
  for (let i = 0; i < runs; i++) for (const name of names) times[name].push(await measure(name, sides[name]));
  return times;
}

function contextsOf(
  who: { readonly authorities: string; readonly credentials: Pair },
  key: string,
  addresses: readonly string[],
  port: string,
): string {
  const nodes = Object.fromEntries(addresses.map((address, index) => [`node-${index}`, { address: `${address}:${port}`, key }]));
  const file: Contexts = { format: 1, current: "bench", contexts: { bench: { ...who, nodes } } };
  return encodeContexts(file);
}

async function startNodes(...files: readonly string[]): Promise<AsyncDisposable & { readonly port: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "api-nodes.ts"), ...files], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [port] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
  return {
    port: port.trim(),
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
