import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { bundleForNode } from "../../src/host/bundle.ts";
import type { RunResult } from "../../src/host/run.ts";
import type { Bind } from "../../src/host/tools.ts";
import { ansibleCounts } from "../support/ansible.ts";
import { configAgent, type ConfigAgent } from "../support/config-agent.ts";
import { testTools } from "../support/tools.ts";

const TOP = resolve(import.meta.dirname, "../..");
const DOCS = join(TOP, "docs/ansible");
const LIMIT_MS = 300_000;
/** The machine is where the playbook runs; root is who runs it. */
const INVENTORY = "petrify: { hosts: { kiosk-7: { ansible_connection: local, machine_config: configs/kiosk-7.yaml } } }\n";
/** Exit code of `ansible-playbook` where a task failed on a machine. */
const FAILED = 2;
const HOST = "kiosk-7";
const SECRET = "a-word-for-nobody";

interface Control extends AsyncDisposable {
  readonly agent: ConfigAgent;
  /** Puts this into the machine's config. */
  readonly say: (change: (text: string) => string) => Promise<void>;
  /** @param path where programs are looked for */
  readonly playWith: (path: string, ...words: string[]) => Promise<RunResult>;
}

/** The documented playbook, the real commands of a machine, and what stands for its agent. */
async function control(): Promise<Control> {
  const tools = await testTools("ansible");
  await using cleanup = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "petrify-ansible-"));
  cleanup.defer(async () => await rm(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  await cp(DOCS, at("playbook"), { recursive: true });
  await writeFile(at("inventory.yaml"), INVENTORY);
  await mkdir(at("bin"));
  await writeFile(at("bin/petrify.mjs"), await bundleForNode(join(TOP, "src/cli/node-main.ts"), { PETRIFY_VERSION: "0.0.0" }));
  await writeFile(at("bin/petrify"), '#!/bin/sh\nexec node --disable-warning=ExperimentalWarning /work/bin/petrify.mjs "$@"\n', {
    mode: 0o755,
  });
  await mkdir(at("run"));
  const agent = cleanup.use(await configAgent(at("run")));
  const binds: readonly Bind[] = [
    { source: folder, target: "/work" },
    { source: at("run"), target: "/run/petrify" },
    { source: dirname(process.execPath), target: "/node" },
  ];
  const scope = cleanup.move();
  return {
    agent,
    say: async (change) => {
      const path = at("playbook/configs/kiosk-7.yaml");
      await writeFile(path, change(await readFile(path, "utf8")));
    },
    playWith: async (path, ...words) =>
      await tools.run(["ansible-playbook", "--inventory", "/work/inventory.yaml", ...words, "/work/playbook/apply.yaml"], {
        ...{ binds, timeoutMs: LIMIT_MS, okExit: [0, FAILED] },
        env: { PATH: path, ANSIBLE_NOCOLOR: "1" },
      }),
    [Symbol.asyncDispose]: async () => await scope.disposeAsync(),
  };
}

function assertEnded(ran: RunResult, changed: number): void {
  const { changed: found, failed, unreachable } = ansibleCounts(ran, HOST);
  assert.deepEqual({ found, failed, unreachable }, { found: changed, failed: 0, unreachable: 0 }, ran.stdout + ran.stderr);
}

test("the documented Ansible playbook", async (context) => {
  await using at = await control();
  const { agent, playWith, say } = at;
  const play = async (...words: string[]): Promise<RunResult> => await playWith("/work/bin:/node:/usr/sbin:/usr/bin", ...words);
  const since = async (body: () => Promise<RunResult>): Promise<{ ran: RunResult; asked: readonly string[] }> => {
    const before = agent.asked.length;
    const ran = await body();
    return { ran, asked: agent.asked.slice(before) };
  };

  await context.test("is one for Ansible", async () => {
    const { exitCode, stdout, stderr } = await play("--syntax-check");
    assert.deepEqual([exitCode, stderr], [0, ""], stdout);
  });

  await context.test("says what would change, and changes nothing, with --check", async () => {
    const { ran, asked } = await since(async () => await play("--check"));
    assertEnded(ran, 1);
    assert.deepEqual(asked, ["dry-run"]);
    assert.match(ran.stdout, /\+ path \/etc\/kiosk\.conf/);
    assert.deepEqual([agent.done, agent.state.running.generation], [[], undefined]);
  });

  await context.test("makes a machine what its config says, on trial until it is reached anew", async () => {
    const { ran, asked } = await since(async () => await play());
    assertEnded(ran, 1);
    assert.deepEqual(asked, ["try", "confirm"]);
    assert.match(ran.stdout, /\+ user ops/);
    assert.equal(agent.state.running.generation, 1);
  });

  await context.test("changes nothing the next time", async () => {
    const done = agent.done.length;
    const { ran, asked } = await since(async () => await play());
    assertEnded(ran, 0);
    assert.deepEqual([asked, agent.done.length], [["try"], done]);
    assertEnded(await play("--check"), 0);
  });

  await context.test("tells names of what changes, and no contents, however much it tells", async () => {
    await say((text) => text.replace("url=", `token=${SECRET}\n      url=`));
    const { stdout, stderr } = await play("--check", "--diff", "-vvv");
    assert.match(stdout, /~ path \/etc\/kiosk\.conf/);
    const ran = await play("-vvv");
    assertEnded(ran, 1);
    assert.ok(![stdout, stderr, ran.stdout, ran.stderr].join("").includes(SECRET));
  });

  await context.test("applies in another mode where it is told to, and asks for no confirmation then", async () => {
    await say((text) => text.replace("hostname: kiosk-7", "hostname: kiosk-8"));
    const { ran, asked } = await since(async () => await play("--extra-vars", "petrify_config_mode=auto"));
    assertEnded(ran, 1);
    assert.deepEqual(asked, ["auto"]);
  });

  await context.test("fails where a config is wrong, says where, and nothing has changed", async () => {
    const before = agent.done.length;
    await say((text) => `${text}hostnam: x\npassword: ${SECRET}\n`);
    const ran = await play();
    assert.deepEqual([ran.exitCode, ansibleCounts(ran, HOST)["failed"]], [FAILED, 1]);
    assert.match(ran.stdout, /"kiosk-7\.yaml:\d+:1: hostnam: .*", "kiosk-7\.yaml:\d+:11: password: /);
    assert.ok(!(ran.stdout + ran.stderr).includes(SECRET));
    assert.equal(agent.done.length, before);
  });

  await context.test("fails, and says why, where there is no config, and where a machine has no petrify", async () => {
    const none = await play("--extra-vars", "machine_config=configs/none.yaml");
    assert.equal(ansibleCounts(none, HOST)["failed"], 1);
    assert.match(none.stdout, /configs\/none\.yaml/);
    const bare = await playWith("/usr/sbin:/usr/bin");
    assert.equal(ansibleCounts(bare, HOST)["failed"], 1);
    assert.match(bare.stdout, /petrify: not found/);
  });
});
