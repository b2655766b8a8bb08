/** @portable Who a machine is, whatever runs on it: made once, at its first boot. docs/formats/identity.md */
import { KiB, type Bytes } from "../core/units.ts";
import { decodeCheckedText, encodeCheckedText } from "./checked-text.ts";

export interface Identity {
  /** 32 lower-case hexadecimal digits. Source: machine-id(5) */
  readonly machineId: string;
}

/** Where the copies start in the record partition: far apart. Each is written alone, the first one first. */
export const IDENTITY_OFFSETS = [128 * KiB, 640 * KiB] as const;
export const IDENTITY_SIZE: Bytes = 4 * KiB;

const SIGNATURE = "petrify-identity 1";
/** Whatever newer software adds, the machine stays who it is: every format has the line with the machine-id. */
const ANY_FORMAT = "petrify-identity [1-9]";

/** {@link IDENTITY_SIZE} bytes. */
export const encodeIdentity = ({ machineId }: Identity): Uint8Array => encodeCheckedText(SIGNATURE, `machine-id: ${machineId}\n`);

/** Nothing where there is none, or not whole. Lines that are not known are somebody else's. Never throws. */
export function decodeIdentity(block: Uint8Array): Identity | undefined {
  const machineId = /^machine-id: ([0-9a-f]{32})$/m.exec(decodeCheckedText(SIGNATURE, block, ANY_FORMAT) ?? "")?.[1];
  return machineId === undefined ? undefined : { machineId };
}
