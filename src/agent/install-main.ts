/**
 * Installs the system that runs from memory, in a process of its own: it takes minutes. Nothing imports this file. What to do is a JSON document on its
 * standard input (a machine config may hold secrets); a JSON document a line says how far it is, the last one what came of it.
 */
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { parseMachineConfig } from "../config/machine-config.ts";
import { AppError } from "../core/error.ts";
import { openFileSource } from "../host/image-source.ts";
import { flash } from "../host/flash.ts";
import { openFlashTarget } from "../host/flash-device.ts";
import { dieWithParent } from "../host/linux.ts";
import { openNewDisk } from "../host/new-disk.ts";
import { newNodeKey, nodeKeyOf, NODE_KEY_FILE } from "../host/node-key.ts";
import { run, type Run } from "../host/run.ts";
import { sha256 } from "../host/sha256.ts";
import { flashPlan } from "../layout/flash-plan.ts";
import { RUN_FOLDER } from "../layout/fstab.ts";
import type { InstallPhase, InstallRequest, OemFile } from "../layout/install.ts";
import { encodeInstallation, INSTALLATION_FILE, MACHINE_CONFIG_FILE } from "../layout/installation.ts";
import { newDiskGuids } from "../layout/new-disk.ts";
import { verifyImage } from "../release/verify-image.ts";
import { installable, installDisks, planInstall, type Installable } from "./install/plan.ts";
import type { InstallLine, InstallWork } from "./install/work.ts";
import { every, workerError, type WorkerError } from "./worker.ts";

const PROGRESS_MS = 250;

// An agent that was killed may start another one, for the same disk.
dieWithParent();
const work = JSON.parse(await text(process.stdin)) as InstallWork;
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());
const tell = (line: InstallLine | WorkerError): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
/** The agent's own, wherever they are in the image. */
const programs = dirname(process.execPath);
const own: Run = async ([program, ...args], options) =>
  await run([program.includes("/") ? program : join(programs, program), ...args], options);

try {
  const image = await installable();
  if (work.do === "disks") tell({ disks: await installDisks(own, image.disk.size) });
  else if (work.do === "plan") tell({ plan: await planInstall(work.request, image, own) });
  else await install(work.request, image);
} catch (error) {
  tell(workerError(error, "INSTALL_FAILED"));
}

/** Every refusal comes before the first write. */
async function install(request: InstallRequest, image: Installable): Promise<void> {
  const started = performance.now();
  const { config, source, after, files = [] } = request;
  if (config !== undefined) parseMachineConfig(config, "machine.yaml");
  const plan = await planInstall(request, image, own);
  tell({ plan });
  await check(image);
  const { target } = plan.disk;
  const given = files.find(({ path }) => path === NODE_KEY_FILE);
  const key = given ? nodeKeyOf(given.text) : await newNodeKey();
  const { name, version } = image.manifest;
  const time = Math.floor(Date.now() / 1000);
  const installation = { at: time, name, version, digest: image.digest, ...(source === undefined ? {} : { source }) };
  const oem: readonly OemFile[] = [
    { path: INSTALLATION_FILE, text: encodeInstallation(installation) },
    ...(given ? [] : [{ path: NODE_KEY_FILE, text: key.pem }]),
    ...files,
    ...(config === undefined ? [] : [{ path: MACHINE_CONFIG_FILE, text: config }]),
  ];
  const means = { run: own, programs, work: `${RUN_FOLDER}/new-disk`, signal: stop.signal };
  const input = { plan: image.disk, guids: newDiskGuids(randomBytes), loader: image.loader, image, oem, time, source };
  await using disk = await openNewDisk(means, input);
  {
    await using device = await openFlashTarget(target);
    const { path, size, sectorSize } = target;
    const progress = progressOf();
    await flash({ source: disk, path, device, plan: flashPlan(disk.size, size, sectorSize), signal: stop.signal, progress });
  }
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  tell({ installed: { disk: target.path, name, version, fingerprint: key.fingerprint, after, seconds } });
}

/** What lies in memory was not read as a whole before: nothing but that it starts is known. */
async function check({ path, digest }: Installable): Promise<void> {
  await using image = await openFileSource(path);
  const tellPhase = progressOf();
  const progress = ({ done, total }: { readonly done: number; readonly total: number }): void =>
    tellPhase("checking", done, total);
  const verdict = await verifyImage({ image, sha256, digest, signal: stop.signal, progress });
  if (verdict.ok) return;
  throw new AppError("IMAGE_DAMAGED", `the image in memory is damaged: ${verdict.damage.what}`, {
    hint: "Start the machine again; where it is so again, make the medium anew, and test the machine's memory.",
  });
}

/** Beginning and end of each phase, and what lies between from time to time. */
function progressOf(): (phase: InstallPhase, done: number, total: number) => void {
  let now: InstallPhase | undefined;
  const sometimes = every<InstallLine>(PROGRESS_MS, tell);
  return (phase, done, total) => {
    const line = { phase, done, total };
    if (phase === now && done < total) return sometimes(line);
    now = phase;
    tell(line);
  };
}
