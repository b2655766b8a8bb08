/** @portable What a disk was installed from: a file of its oem partition. docs/formats/install-mark.md */

/** From the root of the oem partition. */
export const INSTALLATION_FILE = "install.json";
/** What makes a machine this one, as its installation was given it. From the root of the oem partition. */
export const MACHINE_CONFIG_FILE = "machine.yaml";
const FORMAT = 1;

export interface Installation {
  /** Seconds since 1970. */
  readonly at: number;
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the image's manifest. */
  readonly digest: string;
  /** What began it, where nobody did. */
  readonly source?: string;
}

/** The file's text. */
export const encodeInstallation = (installation: Installation): string =>
  `${JSON.stringify({ format: FORMAT, ...installation })}\n`;
