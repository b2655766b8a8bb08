import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { attachedProgram } from "../../src/host/attached-program.ts";
import { API_PORT } from "../../src/layout/api-places.ts";
import type { AuditEntry } from "../../src/layout/audit-log.ts";
import { petrify, workspace, type CliEvent, type CliOptions } from "../support/cli.ts";
import { debugProbe, probeArchive, probeImage, topLayerOf } from "../support/debug-probe.ts";
import { freePort } from "../support/free-port.ts";
import { digestOf, putImage, testRegistry } from "../support/registry.ts";
import { inTurn } from "./harness/choice.ts";
import { fixture } from "./harness/fixture.ts";
import { machine } from "./harness/machine.ts";
import { onOem } from "./harness/oem.ts";

const NETWORK =
  '#cloud-config\nhostname: node-7\nnetwork:\n  version: 2\n  ethernets: { all: { match: { name: "e*" }, dhcp4: true } }\n';
const LIMIT_MS = 600_000;
/** A guest finds this machine's loopback there. */
const HOST = "10.0.2.2";
const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");

/** In a script for the test's agent. */
const SETTLED = `for (;;) {
  const { status, output } = run("/usr/bin/petrify", "status", "--json");
  if (status === 0 && JSON.parse(output).value.health.is === "healthy") return JSON.parse(output).value.fingerprint;
  await wait(500);
}`;
const UNITS = `run("systemctl", "list-units", "--all", "--plain", "--no-legend", "petrify-debug-*").output`;
const GONE = `for (;;) {
  if (${UNITS} === "" && (!fs.existsSync("/run/petrify/debug") || fs.readdirSync("/run/petrify/debug").length === 0)) return;
  await wait(500);
}`;
const UNMOUNTED = `for (;;) {
  const mounted = fs.readFileSync("/proc/self/mounts", "utf8").includes(" /run/petrify/debug ");
  if (!mounted && ${UNITS} === "") return;
  await wait(500);
}`;

test(
  "tools run in a container on a sealed machine: they have what their rights say, and are gone with the call, however it ends",
  { skip: inTurn(0) },
  async (t) => {
    await using desk = await workspace();
    const { folder } = desk;
    const env = { XDG_CONFIG_HOME: join(folder, "config"), USER: "jo" };
    const call = async (args: readonly string[], more: Partial<CliOptions> = {}) =>
      await petrify(["--json", ...args], { cwd: folder, env, limitMs: LIMIT_MS, ...more });
    const done = async (...args: string[]): Promise<unknown> => {
      const ran = await call(args);
      assert.equal(ran.exitCode, 0, `${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
      return ran.events.find(({ type }) => type === "result")!["value"];
    };
    const made = await fixture({ node: true, profile: "sealed" });
    const executable = await debugProbe(made.host.tools, join(folder, "probe"));
    const probe = probeArchive(executable);
    await writeFile(join(folder, "probe.tar"), probe);
    const wrong = Buffer.from(probe);
    wrong[wrong.indexOf("\u001f\u008b", 0, "latin1") + 200]! ^= 1;
    await writeFile(join(folder, "wrong.tar"), wrong);
    const probed = probeImage(executable);
    let isWhole = true;
    await using registry = await testRegistry({
      fault: ({ url }) =>
        isWhole || !url.endsWith(topLayerOf(probed)) ? undefined : { change: ({ length }) => Buffer.alloc(length) },
    });
    const team = registry.repository("team/probe");
    putImage(team, probed, "1");
    await done("gen", "secrets");
    await done("context", "add", "edge", "--secrets", "petrify-secrets");
    const forward = { host: await freePort(), guest: API_PORT };

    await using booted = await machine(made, {
      disk: { patches: await onOem(made, "machine.yaml", NETWORK) },
      ...{ forwards: [forward], online: true },
    });
    const { guest } = booted;
    const said = async (script: string): Promise<string> => {
      const { status, output } = await guest.run(script, LIMIT_MS);
      assert.equal(status, 0, `${script}: ${output}`);
      return output.trim();
    };
    await guest.ready(LIMIT_MS);
    const fingerprint = await said(SETTLED);
    const authority = await readFile(join(folder, "petrify-secrets/ca.pem"), "utf8");
    await said(
      `fs.mkdirSync("/oem/petrify/api", { recursive: true, mode: 0o700 }); fs.writeFileSync("/oem/petrify/api/ca.pem", ${JSON.stringify(authority)})`,
    );
    await said("while (run('systemctl', 'is-active', 'petrify-api.socket').status !== 0) await wait(200)");
    await done("context", "pin", "node-7", "--address", `127.0.0.1:${forward.host}`, "--key", fingerprint);
    const ask = async () => await done("-n", "node-7", "version");
    await ask().catch(ask);

    /** What a program has said, a word with what follows it; its exit code. */
    const debugOf = async (image: string, options: readonly string[], ...words: string[]) => {
      const { events, exitCode, stdout } = await call(["-n", "node-7", "debug", image, ...options, "--", "probe", ...words]);
      const lines = textOf(events, "output").trim().split("\n");
      return {
        ...{ stdout, exitCode, last: events.at(-1)! },
        says: Object.fromEntries(lines.map((line) => [line.split(" ")[0]!, line.slice(line.indexOf(" ") + 1)])),
      };
    };
    const debug = async (options: readonly string[], ...words: string[]) => await debugOf("./probe.tar", options, ...words);
    const journal = async (): Promise<string> =>
      await said(`return run("journalctl", "-b", "--no-pager", "-n", "60", "-o", "cat", "-u", "petrify-debug*").output`);

    await t.test("a program has nothing of the machine, and its exit code is the command's", async () => {
      const { stdout, exitCode, says } = await debug(
        [],
        "number",
        "processes",
        "links",
        "bounding",
        "filter",
        "names:/",
        "write:/x",
        "mount",
        "exit:3",
      );
      assert.equal(exitCode, 3, `${stdout}${await journal()}`);
      assert.deepEqual([says["number"], says["processes"], says["links"]], ["2", "2", "lo"], stdout);
      assert.deepEqual([says["bounding"], says["filter"]], ["CapBnd:\t00000000000005fb", "Seccomp:\t2"]);
      assert.deepEqual([says["write:/x"], says["mount"]], ["done", "Operation not permitted"]);
      assert.deepEqual(says["names:/"]!.split(" ").toSorted(), ["bin", "dev", "kept", "proc", "sys", "tmp"]);
    });

    await t.test("with rights it has what they say", async () => {
      const near = await debug(["--rights", "network,processes"], "processes", "links", "signal:1", "exit:0");
      assert.equal(near.exitCode, 0, `${near.stdout}${await journal()}`);
      assert.match(near.says["links"]!, /\be\w+/);
      assert.ok(Number(near.says["processes"]) > 10, near.stdout);
      assert.equal(near.says["signal:1"], "done");
      const files = await debug(
        ["--rights", "files"],
        "read:/host/usr/lib/os-release",
        "write:/host/oem/x",
        "write:/host/tmp/x",
        "names:/host/run",
      );
      assert.match(files.says["read:/host/usr/lib/os-release"]!, /PRETTY_NAME/, files.stdout);
      assert.deepEqual(
        [files.says["write:/host/oem/x"], files.says["write:/host/tmp/x"]],
        Array(2).fill("Read-only file system"),
      );
      const write = await debug(["--rights", "write"], "write:/host/oem/written");
      assert.equal(write.says["write:/host/oem/written"], "done", write.stdout);
      await said(`fs.rmSync("/oem/written")`);
    });

    await t.test("at a terminal every key goes to it", async () => {
      const line = `${process.execPath} --disable-warning=ExperimentalWarning ${MAIN} -n node-7 debug ${folder}/probe.tar -- probe terminal line wait`;
      const settings = [...Object.entries(env), ["TERM", "xterm"]].map(([name, value]) => `${name}=${value}`);
      await using program = await attachedProgram(async () => await Promise.resolve(["env", ...settings, ...line.split(" ")]), {
        columns: 90,
        rows: 30,
      });
      let shown = "";
      const typed = new Set<string>();
      const type = (when: string, keys: string): void => {
        if (!shown.includes(when) || typed.has(when)) return;
        typed.add(when);
        void program.write(Buffer.from(keys));
      };
      for await (const bytes of program.output) {
        shown += Buffer.from(bytes).toString();
        type("its own", "hello\r");
        type("waits", "\u0003");
      }
      assert.match(shown, /terminal \/dev\/console 90x30 its own/, await journal());
      assert.match(shown, /line hello/);
      assert.equal(await program.ended, 128 + 2, shown);
    });

    await t.test("an image with other bytes is refused, and so is whoever is no admin", async () => {
      const damaged = await call(["-n", "node-7", "debug", "./wrong.tar"]);
      assert.equal(damaged.events.at(-1)!["code"], "REGISTRY_INVALID", damaged.stdout);
      for (const role of ["reader", "operator"]) {
        await done("context", "add", role, "--secrets", "petrify-secrets", "--role", role);
        await done("context", "pin", "node-7", "--context", role, "--address", `127.0.0.1:${forward.host}`, "--key", fingerprint);
        const refused = await call(["-n", "node-7", "debug", "--context", role, "./probe.tar"]);
        assert.equal(refused.events.at(-1)!["code"], "NOT_PERMITTED", refused.stdout);
      }
      await said(GONE);
    });

    await t.test(
      "the machine takes an image from a registry, and has nothing left of one that is not there, or not whole",
      async () => {
        const [, port] = registry.host.split(":");
        const from = (at: string | number): string => `http://${HOST}:${at}/team/probe`;
        const { digest } = probed.descriptor;
        for (const image of [`${from(port!)}:1`, `${from(port!)}@${digest}`]) {
          const { stdout, exitCode, says, last } = await debugOf(image, [], "number", "read:/kept", "exit:3");
          assert.equal(exitCode, 3, `${stdout}${await journal()}`);
          assert.deepEqual([says["number"], says["read:/kept"]], ["2", "kept"]);
          assert.equal((last["value"] as { readonly digest: string }).digest, digest);
        }
        const other = digestOf("another manifest");
        team.manifests.set(other, team.manifests.get(digest)!);
        isWhole = false;
        for (const [image, code, hint] of [
          [`${from(port!)}:1`, "REGISTRY_INVALID", /^Nothing of it was used\./],
          [`${from(port!)}@${other}`, "REGISTRY_INVALID", /^Nothing of it was used\./],
          [`${from(port!)}:2`, "REGISTRY_NOT_FOUND", /./],
          [`${from(await freePort())}:1`, "REGISTRY_UNREACHABLE", /^Check the network/],
        ] as const) {
          const refused = await debugOf(image, []);
          assert.deepEqual([refused.exitCode, refused.last["code"]], [1, code], refused.stdout);
          assert.match(String(refused.last["message"]), /10\.0\.2\.2:\d+\/team\/probe: /);
          assert.match(String(refused.last["hint"]), hint);
          await said(GONE);
        }
      },
    );

    await t.test("it is in the audit log, and its terminal is in no log", async () => {
      const { nodes } = (await done("-n", "node-7", "audit", "show")) as {
        nodes: [{ value: { entries: readonly AuditEntry[] } }];
      };
      const { entries } = nodes[0].value;
      const begun = entries.flatMap((entry) => (entry.is === "begin" && entry.call === "POST /debug" ? [entry] : []));
      assert.equal(begun[0]!.by.name, "jo");
      assert.deepEqual((begun[1]!.arguments as { rights: unknown }).rights, ["network", "processes"]);
      assert.match(JSON.stringify(begun[0]!.arguments), /"digest":"sha256:[0-9a-f]{64}".*"command":"probe number/);
      const images = begun.map(({ arguments: given }) => (given as { readonly image: string }).image);
      assert.ok(
        images.some((one) => one.endsWith("/team/probe:1")),
        images.join(),
      );
      for (const { n } of begun)
        assert.ok(
          entries.some((entry) => entry.is === "end" && entry.of === n),
          String(n),
        );
      assert.doesNotMatch(
        await said(`return run("journalctl", "-b", "--no-pager", "-o", "cat").output`),
        /line hello|PRETTY_NAME=.*\nread/,
      );
    });

    const whileWaiting = async (act: (event: CliEvent, interrupt: (signal?: NodeJS.Signals) => void) => void) =>
      await call(["-n", "node-7", "debug", "./probe.tar", "--", "probe", "wait"], {
        onEvent: (event, interrupt) => {
          if (event.type === "output") act(event, interrupt);
        },
      });

    await t.test("it is gone when the command is killed", async () => {
      await whileWaiting((_event, interrupt) => interrupt("SIGKILL"));
      await said(GONE);
    });

    for (const [what, unit] of [
      ["the program of the API", "petrify-api.service"],
      ["what has started it", "petrify-debug.service"],
    ] as const)
      await t.test(`it is gone when ${what} is killed`, async () => {
        const ended = await whileWaiting(() => void said(`run("systemctl", "kill", "--signal=KILL", "${unit}")`));
        assert.notEqual(ended.exitCode, 0);
        await said(unit === "petrify-debug.service" ? UNMOUNTED : GONE);
      });

    await t.test("nothing has failed that was not killed, and what makes containers ends when nobody calls", async () => {
      await wait(1000);
      await said(`run("systemctl", "reset-failed", "petrify-api.service", "petrify-debug.service")`);
      assert.equal((await debug([], "exit:0")).exitCode, 0);
      await said(UNMOUNTED);
      assert.equal(await said(`return run("systemctl", "--failed", "--plain", "--no-legend").output`), "");
    });
  },
);

const textOf = (events: readonly CliEvent[], type: string): string =>
  events.flatMap((event) => (event.type === type ? [String(event["text"])] : [])).join("");
