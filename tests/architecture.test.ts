import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { test } from "node:test";
import { parseSync } from "oxc-parser";

/** What each folder under `src/` may import, itself excepted. A folder that is missing here is an error. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  layout: ["core"],
  config: ["core", "layout"],
  release: ["core", "layout"],
  initrd: ["core", "layout"],
  protocol: [],
  pki: ["core"],
  host: ["core", "layout"],
  build: ["core", "layout", "config", "release", "host"],
  inspect: ["core", "layout", "release", "host"],
  registry: ["core", "layout", "config", "release", "host"],
  vm: ["core", "layout", "host"],
  agent: ["core", "layout", "config", "release", "protocol", "pki", "host", "registry", "client"],
  client: ["core", "layout", "protocol", "pki", "host"],
  cli: [
    "core",
    "layout",
    "config",
    "release",
    "host",
    "registry",
    "build",
    "inspect",
    "vm",
    "agent",
    "protocol",
    "pki",
    "client",
  ],
};
/** Run in Node, in the browser and in QuickJS: nothing from `node:`. */
const PORTABLE = new Set(["core", "layout", "config", "release", "initrd", "protocol", "pki"]);
/** Modules with effects on the machine; only `host` (and the process's own edge, main.ts) may use them. */
const EFFECTS = new Set([
  "fs",
  "fs/promises",
  "child_process",
  "os",
  "net",
  "http",
  "http2",
  "tls",
  "process",
  "timers/promises",
  "worker_threads",
]);

export async function violations(root: string): Promise<{ files: number; imports: number; found: string[] }> {
  const found: string[] = [];
  let files = 0;
  let imports = 0;
  for await (const file of glob("**/*.ts", { cwd: root })) {
    if (file.endsWith(".test.ts")) continue;
    files++;
    const path = resolve(root, file);
    const from = file.split("/")[0]!;
    const allowed = MAY_IMPORT[from];
    if (!allowed) {
      found.push(`${file}: folder ${from} has no rule`);
      continue;
    }
    const { module } = parseSync(path, await readFile(path, "utf8"));
    const targets = [
      ...module.staticImports.map((i) => i.moduleRequest.value),
      ...module.staticExports.flatMap((e) => e.entries.flatMap((x) => x.moduleRequest?.value ?? [])),
    ];
    for (const target of targets) {
      imports++;
      if (target.startsWith("node:")) {
        if (PORTABLE.has(from)) found.push(`${file}: ${from} is portable but imports ${target}`);
        else if (from !== "host" && EFFECTS.has(target.slice(5))) found.push(`${file}: ${target} belongs in src/host`);
      }
      if (!target.startsWith(".")) continue;
      const to = relative(root, resolve(dirname(path), target));
      if (to.endsWith("main.ts")) found.push(`${file}: nothing imports main.ts`);
      if (/(^|\/)index\.ts$/.test(to)) found.push(`${file}: ${to} is a barrel`);
      const folder = to.split("/")[0]!;
      if (folder !== from && !allowed.includes(folder)) found.push(`${file}: ${from} must not import ${folder} (${target})`);
    }
  }
  return { files, imports, found };
}

test("folders import only what the map allows", async () => {
  const { files, imports, found } = await violations(resolve(import.meta.dirname, "../src"));
  assert.ok(files > 8 && imports > 10, `the check saw ${files} files and ${imports} imports: it is not looking at the code`);
  assert.deepEqual(found, []);
});
