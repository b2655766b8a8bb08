/** @portable What the kernel command line says of an installation. docs/formats/cmdline.md */
import { AppError } from "../core/error.ts";
import { commandLineWords } from "./cmdline.ts";
import { checkedUrl, configWords } from "./config-sources.ts";
import { AFTER_INSTALL, type AfterInstall } from "./install.ts";

/** What somebody who installs has said; what is missing, nobody has. */
export interface InstallWish {
  /** Path, name of /dev/disk/by-id, `serial:…`, `size:…`, `auto`. */
  readonly device?: string;
  readonly wipe?: boolean;
  readonly after?: AfterInstall;
}
export interface InstallWords {
  /** Overrides what a machine config says. */
  readonly wish: InstallWish;
  /** Where the machine config is; what its bytes must come to may stand at its end. */
  readonly configUrl?: string;
  /** Of the medium that the machine was started from: 32 hexadecimal digits. */
  readonly medium?: string;
  /** The consoles ask what to install where. */
  readonly isInstaller: boolean;
}

/** What these words may hold. */
const FLAGS: Readonly<Record<string, boolean>> = { "": true, true: true, yes: true, 1: true, false: false, no: false, 0: false };
const MEDIUM = /^[0-9a-f]{32}$/;
const KNOWN = ["petrify.install.device", "petrify.install.wipe", "petrify.install.after"] as const;

/**
 * Reads `/proc/cmdline`. A word that is there twice counts the last time, as the kernel has it.
 *
 * @throws AppError `CMDLINE_INVALID` naming the word that cannot be understood: what somebody asked for is not guessed
 */
export function parseInstallWords(text: string): InstallWords {
  const values = new Map(commandLineWords(text));
  const unknown = [...values.keys()].find((name) => name.startsWith("petrify.install.") && !KNOWN.some((one) => one === name));
  if (unknown !== undefined) {
    throw new AppError("CMDLINE_INVALID", `the kernel command line has a word that nobody knows: ${unknown.slice(0, 80)}`, {
      hint: `Known are ${KNOWN.join(", ")}.`,
    });
  }
  const device = values.get("petrify.install.device");
  const wipe = values.get("petrify.install.wipe");
  const after = values.get("petrify.install.after");
  const { url, sha256 } = configWords(text);
  const medium = values.get("petrify.medium");
  if (device === "") throw invalid("petrify.install.device", device, "the name of a disk");
  return {
    wish: {
      ...(device === undefined ? {} : { device }),
      ...(wipe === undefined ? {} : { wipe: flag("petrify.install.wipe", wipe) }),
      ...(after === undefined ? {} : { after: oneOf("petrify.install.after", after) }),
    },
    ...(url === undefined ? {} : { configUrl: webAddress(url, sha256) }),
    ...(medium !== undefined && MEDIUM.test(medium) ? { medium } : {}),
    isInstaller: values.has("petrify.installer"),
  };
}

function flag(name: string, value: string): boolean {
  const found = Object.hasOwn(FLAGS, value.toLowerCase()) ? FLAGS[value.toLowerCase()] : undefined;
  if (found === undefined) throw invalid(name, value, "nothing, yes or no");
  return found;
}

function oneOf(name: string, value: string): AfterInstall {
  const found = AFTER_INSTALL.find((one) => one === value);
  if (!found) throw invalid(name, value, AFTER_INSTALL.join(", "));
  return found;
}

/** Neither is shown: a URL may hold a password. */
function webAddress(url: string, sha256: string | undefined): string {
  const checked = checkedUrl(url, sha256);
  if (checked !== undefined) return checked;
  throw new AppError("CMDLINE_INVALID", "the kernel command line has a malformed petrify.config_url", {
    hint: "It takes a URL of http or https; petrify.config_sha256 takes 64 hexadecimal digits.",
  });
}

const invalid = (name: string, value: string, expected: string): AppError =>
  new AppError("CMDLINE_INVALID", `the kernel command line has a malformed ${name}: ${JSON.stringify(value.slice(0, 80))}`, {
    hint: `It takes ${expected}.`,
  });
