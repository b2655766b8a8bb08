import type { Controller, Firmware } from "../../../src/vm/options.ts";

/** What runs at every change, and what only `npm run test:full` has the time for. */
export const FULL = process.env["PETRIFY_TEST"] === "full";

/** Of a number of cases that differ in one thing; `npm test` takes it from the commit, so that each gets its turn. */
const SEED = Number.parseInt(process.env["PETRIFY_TEST_SEED"] ?? "0", 16);

/** One of several cases that show the same thing in another place; all of them in `npm run test:full`. */
export const oneOf = <T>(cases: readonly T[]): readonly T[] => (FULL ? cases : [cases[SEED % cases.length]!]);

/**
 * Tests that take turns: a fifth of them runs at each change, by the commit's number; all of them in `npm run test:full`.
 *
 * @param turn from 0; any number
 * @returns a test's `skip`
 */
export const inTurn = (turn: number): false | string => !FULL && SEED % 5 !== turn % 5 && "another commit's turn";

export const SUITES = FULL ? (["trixie", "bookworm", "sid"] as const) : (["trixie"] as const);

export interface BootCase {
  readonly firmware: Firmware;
  readonly controller: Controller;
  readonly sectorSize: 512 | 4096;
}
/** Boots through GRUB to the end: both firmwares and both sector sizes, with few machines. BIOS boots from 512-byte sectors only. */
export const BOOTS: readonly BootCase[] = [
  { firmware: "bios", controller: "virtio-blk", sectorSize: 512 },
  { firmware: "uefi", controller: "nvme", sectorSize: 4096 },
];
