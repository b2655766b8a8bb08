/** @portable Where a machine config comes from and where it is put. docs/formats/machine-config.md */
import { MiB, type Bytes } from "../core/units.ts";
import { RUN_FOLDER } from "./fstab.ts";

/** A longer document is not read. */
export const MACHINE_CONFIG_LIMIT: Bytes = MiB;

/** In an initramfs: a boot loader has put it beside the image. */
export const BROUGHT_CONFIG = "/machine.yaml";
/** In a system that runs from memory: the same, for root only. */
export const INSTALLER_CONFIG = `${RUN_FOLDER}/machine.yaml`;
