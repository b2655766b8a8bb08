/** How a machine reaches registries: what its owner has put on the oem partition. docs/concepts/upgrade.md */
import { join } from "node:path";
import { openPace } from "../core/pace.ts";
import type { Bytes } from "../core/units.ts";
import { fileExists } from "../host/files.ts";
import type { Run } from "../host/run.ts";
import { wait } from "../host/wait.ts";
import { registryContext } from "../registry/context.ts";
import { openStore } from "../registry/open-store.ts";
import type { Reference } from "../registry/reference.ts";
import type { ImageStore } from "../registry/store.ts";
import type { ProxySettings } from "./proxy-settings.ts";

/** Of the oem partition: `config.json` in docker's form, `ca.pem`, and `registries.yaml`. */
const FOLDER = "/oem/registry";

export interface SettingsMeans {
  readonly run: Run;
  readonly random: () => number;
  /** Milliseconds, of a clock that nobody sets. */
  readonly now: () => number;
  readonly proxies: ProxySettings;
  /** A second at the most; default: as fast as it comes. */
  readonly bandwidth?: Bytes;
  /** Default: {@link FOLDER}. */
  readonly folder?: string;
}

/** Connections are kept until the scope ends. @throws AppError `CA_INVALID` */
export async function machineStore(
  reference: Reference,
  { folder = FOLDER, proxies, bandwidth, ...means }: SettingsMeans,
): Promise<{ readonly store: ImageStore } & Disposable> {
  // What is said of another registry is of no use to a folder.
  const isRemote = reference.kind === "registry" || reference.kind === "web";
  const named = isRemote ? reference : { registry: "localhost", repository: "folder" };
  const caFile = join(folder, "ca.pem");
  const context = await registryContext(
    {
      ...means,
      ...(bandwidth !== undefined && { pace: openPace({ bytes: bandwidth, now: means.now, sleep }) }),
      environment: { ...proxies, REGISTRY_AUTH_FILE: join(folder, "config.json") },
      ...((await fileExists(caFile)) ? { caFile } : {}),
      registriesFile: { path: join(folder, "registries.yaml"), needed: false },
    },
    named,
  );
  return { store: openStore(reference, context), [Symbol.dispose]: () => context[Symbol.dispose]() };
}

const sleep = async (ms: number, signal = new AbortController().signal): Promise<void> => await wait(ms, signal);
