/**
 * Verifies one image from the disk, in a process of its own: it may take minutes, and must not hold up whoever asks the agent. Nothing imports
 * this file. A JSON document a line: progress, then the verdict.
 */
import { openDirect } from "../host/direct-read.ts";
import { beIdle } from "../host/linux.ts";
import { sha256 } from "../host/sha256.ts";
import { verifyImage, type VerifyProgress } from "../release/verify-image.ts";
import type { VerifyLine, VerifyRequest } from "./verify-image.ts";

/** What is stored of it is where the next boot goes on, should this one be cut off. */
const PROGRESS_MS = 1000;

const request = JSON.parse(process.argv[2]!) as VerifyRequest;
const stop = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => stop.abort());
const tell = (line: VerifyLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

if (request.priority === "idle") beIdle();
await using image = await openDirect(request.path);
let told = 0;
const progress = ({ done, total, position }: VerifyProgress): void => {
  if (performance.now() - told < PROGRESS_MS) return;
  told = performance.now();
  tell({ done, total, position });
};
const { digest, from } = request;
const verdict = await verifyImage({ image, sha256, digest, from, signal: stop.signal, progress });
tell(verdict.ok ? { whole: true } : { whole: false, damage: verdict.damage.what });
