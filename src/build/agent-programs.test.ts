import assert from "node:assert/strict";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { CACHE } from "../../tests/support/cli.ts";
import { testTools } from "../../tests/support/tools.ts";
import type { RunResult } from "../host/run.ts";
import type { Tools } from "../host/tools.ts";
import { HELPERS, RUNTIME_FOLDER, type Helper } from "../layout/own-programs.ts";
import { agentExecutable, NODE_FLAGS } from "./agent-executable.ts";
import { agentPrograms } from "./agent-programs.ts";
import { agentRuntime } from "./agent-runtime.ts";

let tools: Tools;
let runtime: string;
let folder: AsyncDisposable & { readonly path: string };
/** That an image would have. */
let program: string;
before(async () => {
  tools = await testTools();
  folder = await mkdtempDisposable(join(tmpdir(), "petrify-programs-"));
  runtime = await agentRuntime({ tools, cacheFolder: CACHE, signal: undefined }, folder.path);
  program = await made("one");
  await writeFile(join(folder.path, "script.mjs"), SCRIPT);
});
after(async () => await folder[Symbol.asyncDispose]());

async function made(name: string): Promise<string> {
  const work = join(folder.path, name);
  await mkdir(work, { recursive: true });
  return await agentExecutable({ tools, signal: undefined }, { runtime, modules: await agentPrograms() }, work);
}

const SCRIPT = "console.log('in')";
const MODULE = "data:text/javascript,console.log(%22in%22)";
/** What Node says of its own modules; for its tests only, so a newer one may say it otherwise. */
const COMPILED = `
  require("node:http2");
  const { compiledWithCache, compiledWithoutCache } = require("internal/test/binding").internalBinding("builtins").getCacheUsage();
  \`\${compiledWithCache.size} of them, \${compiledWithoutCache.size} not\``;
/** Ways to have Node run something. */
const TOLD: readonly (readonly [
  what: string,
  words: readonly string[],
  env?: Readonly<Record<string, string>>,
  stdin?: string,
])[] = [
  ["--eval", ["--eval", SCRIPT]],
  ["-p", ["-p", "'in'"]],
  ["--import", ["--import", MODULE, "-"]],
  ["its standard input", ["-"], {}, SCRIPT],
  ["a file", ["/script.mjs"]],
  ["a module to load first", ["--require", "/script.mjs", "-"]],
  ["NODE_OPTIONS", ["-"], { NODE_OPTIONS: "--require=/script.mjs" }],
];

/** Runs it by a name, in a root that has nothing else but its libraries. */
async function start(
  executable: string,
  [name, ...words]: readonly [string, ...string[]],
  {
    stdin = "",
    env = {},
    okExit = [0],
  }: { stdin?: string; env?: Readonly<Record<string, string>>; okExit?: readonly number[] } = {},
): Promise<RunResult> {
  const lib = join(runtime, "lib");
  const script = join(folder.path, "script.mjs");
  const binds = [{ source: lib }, { source: executable }, { source: script }];
  const root = [
    "--tmpfs",
    "/",
    "--ro-bind",
    lib,
    `${RUNTIME_FOLDER}/lib`,
    "--ro-bind",
    executable,
    `/bin/${name}`,
    "--ro-bind",
    script,
    "/script.mjs",
  ];
  const set = Object.entries(env).flatMap(([key, value]) => ["--setenv", key, value]);
  const argv = ["bwrap", "--unshare-user", ...root, ...set, "--dev", "/dev", "--proc", "/proc", "--", `/bin/${name}`, ...words];
  return await tools.run(argv as [string, ...string[]], { binds, anyOwner: true, stdin, okExit });
}

suite("the executable of an image's programs", () => {
  test("is each of them, by its name, with nothing beside it", async () => {
    const said = {} as Record<Helper, string>;
    for (const name of HELPERS) {
      const request = name === "install" ? { do: "disks" } : { do: "inspect", source: { is: "file", path: "/none" } };
      // What tells people tells others by its exit status.
      const failing = ["stage", "api", "look", "forward", "debug"].includes(name);
      const { stdout, stderr } = await start(program, [`petrify-${name}`, ...(name === "stage" ? ["fs"] : [])], {
        stdin: JSON.stringify(request),
        okExit: failing ? [1] : [0],
      });
      said[name] = failing ? stderr : stdout;
    }
    assert.match(said.image, /"code":"IMAGE_UNREADABLE"/);
    assert.match(said.install, /"code":"ENOENT".*boot\.json/);
    assert.match(said.stage, /^<3>stage fs: ENOENT.*boot\.json/m);
    assert.match(said.config, /"code":"CONFIG_WORK_FAILED"|"code":"ENOENT"/);
    assert.match(said.api, /^<3>petrify-api was handed no socket/m);
    assert.match(said.look, /^<3>petrify-look was handed no socket/m);
    assert.match(said.forward, /^<3>petrify-forward was handed no socket/m);
    assert.match(said.debug, /^<3>petrify-debug was handed no socket/m);
    assert.equal(
      said.authority,
      "",
      "what it says is for the journal: a unit that has failed would be a reason to give an image back",
    );
    assert.match((await start(program, ["petrify", "--help"])).stdout, /^Usage: petrify/);
    assert.match((await start(program, ["petrifyd"], { okExit: [1] })).stderr, /ENOENT|boot\.json/);
    assert.equal((await start(program, ["node"], { okExit: [64] })).stderr, "node: there is no such program of petrify's\n");
  });

  for (const [what, words, env = {}, stdin = ""] of TOLD)
    test(`runs nothing that it is told by ${what}, which Node does`, async () => {
      const options = { env, stdin, okExit: [0, 1, 2, 9, 64] };
      assert.match((await start(join(runtime, "bin/node"), ["node", ...words], options)).stdout, /^in$/m);
      for (const name of ["petrify", "petrify-image"])
        assert.doesNotMatch((await start(program, [name, ...words], options)).stdout, /^in$/m, name);
    });

  test("has none of Node's own modules compiled when it starts: they are in it compiled", async () => {
    const words = [...NODE_FLAGS, "--expose-internals", "--print", COMPILED];
    const { stdout } = await start(join(runtime, "bin/node"), ["node", ...words]);
    assert.match(stdout, /^[1-9]\d* of them, 0 not$/m);
    const other = await start(join(runtime, "bin/node"), ["node", "--expose-gc", ...words]);
    assert.doesNotMatch(other.stdout, / 0 not$/m, "it can fail");
  });

  test("is the same one wherever it is made", async () => {
    const other = await made("another/place");
    assert.ok((await readFile(program)).equals(await readFile(other)));
  });
});
