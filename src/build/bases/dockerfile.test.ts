import assert from "node:assert/strict";
import { mkdtempDisposable, mkdir, readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inspect } from "node:util";
import { testContext } from "../../../tests/support/build-context.ts";
import { machine } from "../../../tests/support/leftovers.ts";
import { tinyLayout } from "../../../tests/support/tiny-layout.ts";
import type { AppError } from "../../core/error.ts";
import { baseSource } from "../../config/base.ts";
import type { Lock } from "../../config/lock.ts";
import { parseRecipe } from "../../config/parse-recipe.ts";
import { openBase } from "../base.ts";
import { buildDockerfile, ulimits, type DockerfileSource } from "./dockerfile.ts";

const DOCKERFILE = `FROM oci:tiny:tiny AS one
RUN echo hello > /hello && mkdir /owned && chown 70000:80000 /owned
COPY file kept /
FROM one AS two
ARG WORD=default
RUN echo "$WORD" > /word
FROM one AS three
RUN echo not reached; exit 3
`;
const SECRET = "w0rd with 'quotes' #and hash";

async function place() {
  const dir = await mkdtempDisposable(join(tmpdir(), "petrify-dockerfile-"));
  const at = (name: string): string => join(dir.path, name);
  const context = await testContext();
  for (const name of ["context", "work"]) await mkdir(at(name));
  await tinyLayout(await context.containerTools(), at("context"));
  await writeFile(at("context/Dockerfile"), DOCKERFILE);
  await writeFile(at("context/.dockerignore"), "ignored\n");
  await writeFile(at("context/file"), "a file\n");
  await writeFile(at("context/kept"), "another\n");
  const source: DockerfileSource = { kind: "dockerfile", path: "Dockerfile", context: undefined, target: "two", args: {} };
  const request = (work: string) => ({ recipeFolder: at("context"), time: 1_700_000_000, work: at(work) });
  return { at, context, source, request, [Symbol.asyncDispose]: async () => await dir.remove() };
}
interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

test("a Dockerfile becomes a layout, the same one twice, and leaves nothing else", { timeout: 300_000 }, async () => {
  await using p = await place();
  const before = await machine();
  const made: string[] = [];
  for (const work of ["work", "work2"]) {
    await mkdir(p.at(work), { recursive: true });
    const lines: string[] = [];
    const progress = {
      step: async <T>(_: string, body: (note: (text: string) => void) => Promise<T>) =>
        await body((text) => void lines.push(text)),
      note: (text: string) => void lines.push(text),
    };
    const source = { ...p.source, args: { WORD: SECRET } };
    const { layout, tag } = await buildDockerfile(source, p.request(work), { ...p.context, progress });
    assert.ok(
      lines.some((line) => /STEP \d\/\d: RUN/.test(line)),
      lines.join("\n"),
    );
    assert.ok(!lines.some((line) => line.includes(SECRET)), "values of ARGs are not told");
    assert.deepEqual(await readdir(p.at(work)), ["dockerfile"]);
    const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8")) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    assert.deepEqual(
      index.manifests.map(({ annotations }) => annotations["org.opencontainers.image.ref.name"]),
      [tag],
    );
    made.push(index.manifests[0]!.digest);
    const blob = async (digest: string): Promise<Buffer> =>
      await readFile(join(layout, "blobs/sha256", digest.slice("sha256:".length)));
    const manifest = JSON.parse((await blob(index.manifests[0]!.digest)).toString()) as Manifest;
    const config = JSON.parse((await blob(manifest.config.digest)).toString()) as { created: string };
    assert.equal(config.created, "2023-11-14T22:13:20Z");
    const tools = await p.context.containerTools();
    const listed: string[] = [];
    const words: string[] = [];
    for (const { digest } of manifest.layers.slice(1)) {
      const path = join(layout, "blobs/sha256", digest.slice("sha256:".length));
      const argv = ["tar", "--list", "--verbose", "--numeric-owner", "--file", path] as const;
      listed.push((await tools.run(argv, { binds: [{ source: path }] })).stdout);
      const word = ["tar", "--extract", "--to-stdout", "--file", path, "word"] as const;
      words.push((await tools.run(word, { binds: [{ source: path }], okExit: [0, 2] })).stdout);
    }
    assert.match(listed.join(""), /70000\/80000 .* owned\/$/m);
    assert.equal(words.join(""), `${SECRET}\n`);
    assert.doesNotMatch(listed.join(""), /ignored|Dockerfile/);
  }
  assert.equal(made[0], made[1]);
  assert.deepEqual(await machine(), before, "mounts and loop devices");
});

test("what the Dockerfile makes is the base, whose date and digest the lock keeps", { timeout: 300_000 }, async () => {
  await using p = await place();
  await mkdir(p.at("first"));
  const recipe = parseRecipe("apiVersion: petrify/v1\nname: x\nbase: { dockerfile: Dockerfile, target: two }\n", "petrify.yaml");
  const context = { ...p.context, cacheFolder: p.at("cache") };
  const request = { recipe, recipeFolder: p.at("context"), renew: false };
  const first = await openBase(baseSource(recipe.base), { ...request, lock: undefined, work: p.at("first") }, context);
  const argv = ["tar", "--extract", "--to-stdout", "--file", first.tar, "hello", "word", "kept"] as const;
  const { stdout } = await context.tools.run(argv, { binds: [{ source: first.tar }] });
  assert.deepEqual(stdout.split("\n").toSorted(), ["", "another", "default", "hello"]);
  // Touched and built again on another day: the same, for the lock says when.
  await utimes(p.at("context/file"), 1_800_000_000, 1_800_000_000);
  await rm(p.at("cache"), { recursive: true });
  const lock: Lock = { format: 1, inputs: first.inputs, time: first.time, packages: [], users: [], groups: [] };
  assert.deepEqual(await openBase(baseSource(recipe.base), { ...request, lock, work: p.at("work") }, context), first);
});

test("a step that fails, and a file that is not there, are told", { timeout: 300_000 }, async () => {
  await using p = await place();
  const failing = { ...p.source, target: undefined, args: { WORD: SECRET } };
  await assert.rejects(buildDockerfile(failing, p.request("work"), p.context), (error: AppError) => {
    assert.ok(!inspect(error, { depth: 9, maxStringLength: null }).includes(SECRET.slice(0, 4)), "values of ARGs are not told");
    assert.equal(error.code, "DOCKERFILE_FAILED");
    assert.match(error.message, /^Dockerfile could not be built:\n[^]*not reached[^]*exit status 3/);
    assert.ok(error.hint);
    return true;
  });
  await writeFile(p.at("context/none"), "FROM oci:absent:tiny\n");
  await assert.rejects(buildDockerfile({ ...p.source, path: "none", target: undefined }, p.request("work"), p.context), {
    code: "DOCKERFILE_FAILED",
    message: /none could not be built:\n[^]*absent/,
  });
  for (const more of [{ path: "absent" }, { context: "absent" }]) {
    await assert.rejects(buildDockerfile({ ...p.source, ...more }, p.request("work"), p.context), { code: "DOCKERFILE_MISSING" });
  }
});

test("an abort in the middle of a step ends all of it", { timeout: 300_000 }, async () => {
  await using p = await place();
  const before = await machine();
  await writeFile(p.at("context/slow"), "FROM oci:tiny:tiny\nRUN echo going to wait && exec sleep 987654\n");
  const controller = new AbortController();
  const progress = {
    step: async <T>(_: string, body: (note: (text: string) => void) => Promise<T>) =>
      await body((text) => {
        if (text === "going to wait") controller.abort(new Error("interrupted"));
      }),
    note: () => {},
  };
  const context = { ...p.context, progress, signal: controller.signal };
  await assert.rejects(buildDockerfile({ ...p.source, path: "slow", target: undefined }, p.request("work"), context), {
    message: "interrupted",
  });
  const running: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.includes("987654") || line.includes(p.at("work"))) running.push(line.replaceAll("\0", " "));
  }
  assert.deepEqual(running, []);
  assert.deepEqual(await machine(), before, "mounts and loop devices");
});

test("limits are those of this process, and never higher than the usual ones", () => {
  assert.deepEqual(ulimits({ files: 20_000, processes: Infinity }), [
    ...["--ulimit", "nofile=1024:20000"],
    ...["--ulimit", "nproc=1048576:1048576"],
  ]);
});
