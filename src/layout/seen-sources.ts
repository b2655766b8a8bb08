/** @portable What lies where a machine looks for its config, in short: at each boot it is compared with the last time. docs/formats/generations.md */
import { RUN_FOLDER } from "./fstab.ts";

/** In the folder of machine configs: as it was when all of it was looked at last. */
export const SEEN_SOURCES_NAME = "sources";
/** As it is in this boot; for root only. */
export const SOURCES_NOW_PATH = `${RUN_FOLDER}/config-sources`;

/** @param lines a place each, in any order: what it is called, and a number that changes with what is there */
export const encodeSeenSources = (lines: readonly string[]): string => ["petrify-sources 1", ...lines.toSorted(), ""].join("\n");
