import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fakeAuthority, fakeMachine } from "../../src/agent/api/testing.ts";
import { encodeContexts, type Contexts } from "../../src/client/contexts.ts";
import { bundleForNode } from "../../src/host/bundle.ts";
import { run } from "../../src/host/run.ts";
import { networkNamespace, withoutNamespaces, type NetworkNamespace } from "../support/namespace.ts";
import { until } from "../support/until.ts";

const TOP = join(import.meta.dirname, "../..");
const TOKEN = "t";
const PORT = 50_000;

/** In place of systemd: a socket that listens as descriptor 3, and one's own pid in the environment. */
const HAND_OVER = `import { renameSync } from "node:fs";
import { createServer } from "node:net";
import { spawn } from "node:child_process";
const [at, ...argv] = process.argv.slice(2);
const server = createServer().listen(at.includes("/") ? { path: at + ".first" } : { host: at.split(":")[0], port: Number(at.split(":")[1]) }, () => {
  const script = 'export LISTEN_PID=$$; exec "$@"';
  const child = spawn("sh", ["-c", script, "sh", ...argv], { env: { ...process.env, LISTEN_FDS: "1" }, stdio: ["ignore", "ignore", "inherit", server._handle.fd] });
  if (at.includes("/")) renameSync(at + ".first", at); // what it has listened on, it removes
  server.close();
  process.stdin.resume().on("end", () => child.kill("SIGKILL"));
  console.log("ready");
});`;

test(
  "a workstation reaches machines through one that can, by the programs that a machine has",
  { skip: await withoutNamespaces() },
  async () => {
    await using scope = new AsyncDisposableStack();
    const { path: folder } = scope.use(await mkdtempDisposable(join(tmpdir(), "petrify-endpoint-")));
    const file = async (name: string, text: string): Promise<string> => {
      await mkdir(join(folder, name, ".."), { recursive: true });
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    // desk 192.0.2.1 – 192.0.2.2 edge-1 198.51.100.1 – 198.51.100.7 edge-7: nobody passes packets on.
    const [desk, edge1, edge7] = [
      scope.use(await networkNamespace()),
      scope.use(await networkNamespace()),
      scope.use(await networkNamespace()),
    ];
    const wire = async (a: NetworkNamespace, aIs: string, b: NetworkNamespace, bIs: string, name: string): Promise<void> => {
      await a.ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", String(b.pid));
      for (const [at, address] of [
        [a, aIs],
        [b, bIs],
      ] as const) {
        await at.ip("address", "add", `${address}/24`, "dev", name);
        await at.ip("link", "set", name, "up");
      }
    };
    await wire(desk, "192.0.2.1", edge1, "192.0.2.2", "outside");
    await wire(edge1, "198.51.100.1", edge7, "198.51.100.7", "inside");

    const programs = await Promise.all(
      ["api", "forward"].map(
        async (name) =>
          await file(`${name}.mjs`, await bundleForNode(join(TOP, `src/agent/${name}-main.ts`), { PETRIFY_VERSION: "1.2.3" })),
      ),
    );
    const handOver = await file("hand-over.mjs", HAND_OVER);
    const said: string[] = [];
    const start = async (at: NetworkNamespace, credentials: string, socket: string, ...argv: string[]): Promise<void> => {
      const [command, ...args] = [...at.prefix, process.execPath, handOver, socket, process.execPath, ...argv];
      const child = spawn(command, args, { env: { CREDENTIALS_DIRECTORY: credentials }, stdio: ["pipe", "pipe", "pipe"] });
      const ended = once(child, "exit");
      createInterface({ input: child.stderr }).on("line", (line) => said.push(line));
      scope.defer(async () => {
        child.stdin.end();
        await ended;
      });
      await once(child.stdout, "data");
    };
    const authority = await fakeAuthority();
    const machine = async (name: string, at: NetworkNamespace, address: string) => {
      const { key, fingerprint } = await fakeMachine();
      const forward = join(folder, name, "forward.sock");
      for (const [credential, text] of Object.entries({ key, token: TOKEN, "api_ca.pem": authority.certificate }))
        await file(`${name}/${credential}`, text);
      await start(at, join(folder, name), forward, programs[1]!);
      await start(
        at,
        join(folder, name),
        `${address}:${PORT}`,
        programs[0]!,
        join(folder, "nobody.sock"),
        join(folder, "nobody.sock"),
        forward,
      );
      return { address, key: fingerprint };
    };
    const nodes = {
      "edge-1": await machine("edge-1", edge1, "192.0.2.2"),
      "edge-7": await machine("edge-7", edge7, "198.51.100.7"),
    };
    const own = { address: "127.0.0.1", key: nodes["edge-1"].key };
    const contexts = async (endpoints: string[]): Promise<void> => {
      const credentials = await authority.person({ role: "reader" });
      const context = { authorities: authority.certificate, credentials, nodes: { ...nodes, own }, endpoints };
      const all: Contexts = {
        format: 1,
        current: "c",
        contexts: { c: endpoints.length > 0 ? context : { ...context, endpoints: undefined } },
      };
      await file("config/petrify/contexts.json", encodeContexts(all));
    };
    const ask = async (name: string): Promise<string> => {
      const argv = [...desk.prefix, process.execPath, join(TOP, "src/cli/main.ts"), "-n", name, "version", "--json"] as const;
      const { stdout } = await run(argv, { env: { XDG_CONFIG_HOME: join(folder, "config") }, okExit: [1] });
      return stdout;
    };
    // Neither has an agent: what they say of that comes from the machine itself.
    const answered = /"code":"AGENT_UNREACHABLE"/;
    await contexts(["edge-1"]);
    assert.match(await ask("edge-1"), answered);
    assert.match(await ask("edge-7"), answered);
    const reached = "<6>alice reaches 198.51.100.7:50000 through this machine";
    await until(() => said.includes(reached));
    assert.ok(said.includes(reached), said.join("\n"));
    assert.match(await ask("own"), /not one of another machine/);
    await contexts([]);
    assert.match(await ask("edge-7"), /"code":"NODE_UNREACHABLE"/);
  },
);
