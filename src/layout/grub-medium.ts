/** @portable GRUB's script of a medium: one image, loaded into memory. Like a disk's it has no menu and no prompt, and ends in a boot or a reboot. */
import { CMDLINE_VARIABLE, grubConsoles, grubRestart, imageScript, lines } from "./grub-script.ts";
import { MEDIUM_FAT, MEDIUM_FILES } from "./medium.ts";

/** The list of SHA-256 sums that GRUB's core brings, beside its script. */
export const MEDIUM_SUMS = "SHA256SUMS";

export interface MediumScript {
  readonly name: string;
  readonly version: string;
  /** The whole kernel command line. */
  readonly cmdline: string;
}

/**
 * Takes everything from the disk or CD that GRUB was loaded from. A machine config goes along as a file of the initrd; of two, the one on the FAT
 * partition, which a person can write to.
 */
export function mediumScript({ name, version, cmdline }: MediumScript): string {
  const { kernel, initrd, archive, config } = MEDIUM_FILES;
  const initrds = `"($disk)/${initrd}" "($disk)/${archive}"`;
  return lines(
    grubConsoles(),
    "function find_config {",
    "  set config=",
    ...["$disk", `$disk,gpt${MEDIUM_FAT.number}`].map(
      (part) => `  if [ -s "(${part})/${config}" ]; then set config="(${part})/${config}"; fi`,
    ),
    "}",
    "function start {",
    ...[kernel, initrd, archive].flatMap((file) => [
      `  set problem="its ${file} cannot be read"`,
      `  if [ ! -s "($disk)/${file}" ]; then return 1; fi`,
    ]),
    `  set problem="a boot file does not match its SHA-256"`,
    `  if hashsum --hash sha256 --prefix "($disk)" --check (memdisk)/${MEDIUM_SUMS}; then true; else return 1; fi`,
    "  find_config",
    `  ${imageScript(cmdline)}`,
    `  set problem="its kernel cannot be loaded"`,
    `  if linux "($disk)/${kernel}" $${CMDLINE_VARIABLE}; then true; else return 1; fi`,
    `  set problem="too little memory for its image, or damage"`,
    `  if [ -n "$config" ]; then`,
    `    echo "petrify: with the machine config $config"`,
    `    if initrd ${initrds} "newc:${config}:$config"; then true; else return 1; fi`,
    "  else",
    `    if initrd ${initrds}; then true; else return 1; fi`,
    "  fi",
    `  set problem="its kernel came back"`,
    "  boot",
    "  return 1",
    "}",
    `echo "petrify: loading ${name} ${version} into memory"`,
    "start",
    `echo "petrify: this medium does not boot: $problem"`,
    grubRestart("it starts no system"),
  );
}
