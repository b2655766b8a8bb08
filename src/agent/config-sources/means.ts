/** What looking for a config takes of a machine. */
import type { LabelledVolume } from "../../host/cloud-volumes.ts";
import type { FolderFile } from "../../host/config-sources/config-folder.ts";
import type { Ec2Answer } from "../../host/config-sources/ec2.ts";
import type { Dmi } from "../../layout/config-sources.ts";
import type { ConfigDocument } from "../config/generation-files.ts";

export interface SourceMeans {
  /** What runs: recovery looks nowhere. */
  readonly slot: string;
  /** Which instance it is where nobody says it. */
  readonly machineId: string;
  /** Documents of the config that this machine has now. */
  readonly kept: readonly ConfigDocument[];
  /** The partition is there that `/usr/local` lies on; else nobody knows what is in its folder. */
  readonly hasData: () => Promise<boolean>;
  readonly folder: (path: string) => Promise<readonly FolderFile[]>;
  /** What came with the initrd of a system that runs from memory. */
  readonly medium: () => Promise<Uint8Array | undefined>;
  /** @param wanted paths by label */
  readonly volumes: (wanted: Readonly<Record<string, readonly string[]>>) => Promise<readonly LabelledVolume[]>;
  /** A file of QEMU's; nothing where there is none. @throws NodeJS.ErrnoException */
  readonly firmware: (name: string) => Promise<Uint8Array | undefined>;
  readonly dmi: () => Promise<Dmi>;
  readonly cmdline: () => Promise<string>;
  /** @throws AppError; {@link isNotThere} tells that its server has none */
  readonly fetch: (url: string, headers: Readonly<Record<string, string>>) => Promise<Uint8Array>;
  /** @throws AppError */
  readonly ec2: () => Promise<Ec2Answer>;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
}
