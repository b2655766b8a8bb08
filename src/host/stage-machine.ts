/** A running system, as stages change it: the kernel's parameters, block devices, accounts, results. */
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DRIFT_PATH, encodeDrift, parseDrift, type DriftReport } from "../layout/drift-report.ts";
import { ACCOUNT_FILES, type AccountTexts } from "../layout/merge-accounts.ts";
import { LSBLK_COLUMNS, parseLsblk, withChildren } from "../layout/lsblk.ts";
import { encodeStageRun, parseStageRun, STAGE_RESULTS, type StageRun } from "../layout/stage-results.ts";
import { parseWipefs } from "../layout/wipefs.ts";
import { replaceFile } from "./replace-file.ts";
import type { Run } from "./run.ts";

const PARAMETERS = "/proc/sys";
/** For devices that are being found. */
const SETTLE_SECONDS = 10;

/**
 * Where a kernel parameter lies. The first separator decides: in names with slashes dots are kept. Source: sysctl.d(5)
 */
const parameterPath = (name: string): string => {
  const isDotted = /^[^/]*\./.test(name);
  const path = isDotted ? name.replaceAll(/[./]/g, (one) => (one === "." ? "/" : ".")) : name;
  return `${PARAMETERS}/${path}`;
};

/** @throws NodeJS.ErrnoException; Error for a name that leads elsewhere */
export async function setParameter(name: string, value: string): Promise<void> {
  const path = parameterPath(name);
  if (path.split("/").includes("..")) throw new Error("is no kernel parameter");
  await writeFile(path, `${value}\n`, { flag: "r+" });
}

/** Nothing where there is none, or it cannot be read. */
export const parameter = async (name: string): Promise<string | undefined> =>
  await readFile(parameterPath(name), "utf8").catch(() => undefined);

/** Of the running system; Latin-1. */
export async function accountsNow(): Promise<AccountTexts> {
  const found = await Promise.all(
    ACCOUNT_FILES.map(async (name) => [name, await readFile(`/etc/${name}`, "latin1").catch(() => undefined)] as const),
  );
  return Object.fromEntries(found.filter(([, text]) => text !== undefined));
}

/** As their bytes say: what udev knows of a device may be older, or still to come. @param lsblk the agent's own: others may be too old for this */
export const blockDeviceList = async (run: Run, lsblk: string): Promise<string> =>
  (await run([lsblk, "--json", "--bytes", "--paths", "--properties-by", "blkid", "--output", LSBLK_COLUMNS])).stdout;

/** What lies on a device, also where the signatures contradict each other. @throws CommandError */
export const deviceSignatures = async (run: Run, wipefs: string, path: string): Promise<readonly string[]> =>
  parseWipefs((await run([wipefs, "--json", "--no-act", path])).stdout);

/** Where there is no udev, devices are there when the kernel has found them. */
export const settleDevices = async (run: Run): Promise<void> =>
  void (await run(["udevadm", "settle", `--timeout=${SETTLE_SECONDS}`]).catch(() => {}));

/** Has udev look at a device anew; where there is no udev nobody has to. Source: udevadm(8) */
export const deviceChanged = async (run: Run, path: string): Promise<void> =>
  void (await run(["udevadm", "trigger", "--action=change", `--name-match=${path}`]).catch(() => {}));

/** The kernel's name of a device, or of the one whose file system has a label; waits for those that are being found. */
export async function findDevice(
  run: Run,
  lsblk: string,
  at: { readonly path: string } | { readonly label: string },
): Promise<string | undefined> {
  const look = async (): Promise<string | undefined> => {
    if ("path" in at) return await realpath(at.path).catch(() => undefined);
    const nodes = parseLsblk(await blockDeviceList(run, lsblk)).flatMap(withChildren);
    return nodes.find(({ label, content }) => label === at.label && content !== undefined)?.path;
  };
  const there = await look();
  if (there !== undefined) return there;
  await settleDevices(run);
  return await look();
}

/** For root only. */
export async function keepStageRun(run: StageRun): Promise<void> {
  await mkdir(STAGE_RESULTS, { recursive: true, mode: 0o700 });
  await replaceFile(join(STAGE_RESULTS, `${run.run}.json`), encodeStageRun(run), 0o600);
}

/** For root only. */
export const keepDrift = async (report: DriftReport): Promise<void> => await replaceFile(DRIFT_PATH, encodeDrift(report), 0o600);

/** Of this boot; a small file in memory. Never throws. */
export function driftNow(): DriftReport | undefined {
  try {
    return parseDrift(readFileSync(DRIFT_PATH, "utf8"));
  } catch {
    return undefined;
  }
}

/** Of this boot, in the order in which they began; none where no stage has run. A few small files in memory. Never throws. */
export function stageRuns(folder: string = STAGE_RESULTS): readonly StageRun[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
    const runs = names.flatMap((name) => parseStageRun(readFileSync(join(folder, name), "utf8")) ?? []);
    return runs.toSorted((a, b) => a.at - b.at || (a.run < b.run ? -1 : 1));
  } catch {
    return [];
  }
}
