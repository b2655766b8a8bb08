/** The program of a machine that writes an image into a slot, as the agent starts it, with files in place of the running image and the slot. */
import type { ImageRequest } from "../src/agent/image-work.ts";
import { WORKER_ENV, WORKER_FLAGS } from "../src/agent/worker.ts";
import { NODE_FLAGS } from "../src/build/agent-executable.ts";
import { agentPrograms } from "../src/build/agent-programs.ts";
import { AppError } from "../src/core/error.ts";
import { fileSize, sparseFile, writeText } from "../src/host/files.ts";
import { openImage } from "../src/host/image-file.ts";
import { sha256 } from "../src/host/sha256.ts";
import { zstdQuickPack } from "../src/host/zstd.ts";
import { openStore } from "../src/registry/open-store.ts";
import { pushReferrers, pushRelease } from "../src/registry/push-release.ts";
import { parseReference } from "../src/registry/reference.ts";
import { referrer } from "../src/release/oci-artifact.ts";
import { DELTA_KEYS, DELTA_MEDIA } from "../src/release/release-artifact.ts";
import { findManifest, type FoundManifest } from "../src/release/verify-image.ts";
import { testRegistry, type TestRegistry } from "../tests/support/registry.ts";
import { testContext } from "../tests/support/store-contract.ts";
import { isImage, type Cost, type Lab } from "./delta-lab.ts";
import type { ImagePair } from "./image-pairs.ts";

export const REPOSITORY = "team/os";
/** As in an image: agent-executable.ts, and start-main.ts for such a program. */
const FLAGS = [...NODE_FLAGS, ...WORKER_FLAGS] as const;

/** Two releases of the new image, in this process: `with-delta` from the old one, and `without-delta`. Segments are packed quickly: their sizes are measured elsewhere. */
export async function releasesOf({ old, new: next }: ImagePair, delta: Uint8Array): Promise<TestRegistry> {
  await using scope = new AsyncDisposableStack();
  const registry = scope.use(await testRegistry());
  using context = testContext();
  const store = openStore(parseReference(`http://${registry.host}/${REPOSITORY}`), context);
  using image = openImage(next);
  const found = await manifestOf(next);
  const pack = async (bytes: Uint8Array): Promise<Uint8Array> => await Promise.resolve(zstdQuickPack(bytes));
  const push = async (tag: string, channel: string) =>
    await pushRelease({ store, tag, image, found, facts: { created: 1_900_000_000, channel }, pack });
  await (await push("without-delta", "plain")).publish();
  const release = await push("with-delta", "delta");
  const from = (await manifestOf(old)).digest;
  const annotations = { [DELTA_KEYS.from]: from, [DELTA_KEYS.version]: "1", [DELTA_KEYS.size]: String(delta.length) };
  const subject = release.manifest;
  await pushReferrers(
    store,
    subject,
    [referrer({ subject, artifactType: DELTA_MEDIA, bytes: delta, annotations, sha256 })],
    undefined,
  );
  await release.publish();
  const kept = scope.move();
  return { ...registry, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

/** One module, as an image has it. */
export async function nodeProgram({ path }: Lab): Promise<string> {
  const worker = (await agentPrograms()).find(({ name }) => name === "image.mjs")!;
  await writeText(path("image.mjs"), worker.text);
  return path("image.mjs");
}

interface NodeWrite {
  readonly program: string;
  readonly reference: string;
  readonly pair: ImagePair;
  /** The image that the machine has; nothing where it has none that can be read. */
  readonly running: string | undefined;
  /** How the bytes are to come. */
  readonly way: RegExp;
}

/** @throws AppError `UPDATE_WRONG` */
export async function writeAsNode(
  { program, reference, pair, running, way }: NodeWrite,
  { path, measureHere }: Lab,
): Promise<Cost> {
  const slot = path("slot");
  const size = await fileSize(pair.new);
  await sparseFile(slot, size);
  const { digest } = await manifestOf(pair.new);
  const request: ImageRequest = {
    ...{ do: "write", source: { is: "registry", reference }, digest, size, device: slot, extents: [{ start: 0, size }], from: 0 },
    means: { proxies: {}, ...(running === undefined ? {} : { running }) },
  };
  const said: string[] = [];
  const cost = await measureHere([process.execPath, ...FLAGS, program], {
    ...{ stdin: JSON.stringify(request), env: WORKER_ENV },
    onLine: (line) => void said.push(line),
  });
  const came = said.findLast((line) => line.startsWith('{"way"'));
  if (came === undefined || !way.test((JSON.parse(came) as { way: string }).way))
    throw new AppError("UPDATE_WRONG", `the image came in another way: ${said.at(-1)}`);
  await isImage(slot, pair.new, "petrify");
  return cost;
}

async function manifestOf(path: string): Promise<FoundManifest> {
  using image = openImage(path);
  return await findManifest(
    { size: image.size, read: async (at, length) => await Promise.resolve(image.read(at, length)) },
    sha256,
  );
}
