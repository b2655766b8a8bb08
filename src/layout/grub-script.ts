/**
 * @portable GRUB's script: the table of boot-rules.ts as commands of GRUB 2.12. It has no menu and no prompt, and ends in a boot or a
 * reboot. Each line it prints starts with `petrify:` and
 * fits 79 columns: GRUB breaks longer ones.
 */
import { AppError } from "../core/error.ts";
import { BOOT_RULES, imagesOf, type BootRule, type Condition, type ImageName } from "./boot-rules.ts";
import { DISK_PARTITIONS, IMAGE_FILES, TRIES_FILE, type DiskPartition } from "./disk.ts";
import { RECORD_COPIES, RECORD_ENVELOPE, RECORD_FIELDS, RECORD_FORMAT, recordBlockList, recordCheckBlockList } from "./record.ts";
import { BOOT_TARGETS, MAX_TRIES, SLOTS, type BootTarget } from "./slots.ts";
import { BOOT_FILES } from "./system-image.ts";
import { TRIES_FIELDS } from "./tries.ts";

/** What the image's own script has to set: its part of the kernel command line. */
export const CMDLINE_VARIABLE = "petrify_cmdline";
const REBOOT_SECONDS = 10;

/** The script that lies in an image: it gives the image's part of the kernel command line to the disk's script. */
export const imageScript = (cmdline: string): string => `set ${CMDLINE_VARIABLE}="${cmdline.replaceAll(/[\\$"]/g, "\\$&")}"\n`;

/** What {@link imageScript} was given. @throws AppError `SYSTEM_IMAGE_INVALID` */
export function commandLineOfScript(script: string): string {
  const quoted = new RegExp(`^set ${CMDLINE_VARIABLE}="((?:[^\\\\"]|\\\\.)*)"$`, "m").exec(script)?.[1];
  if (quoted === undefined) throw new AppError("SYSTEM_IMAGE_INVALID", "the image's script does not set a kernel command line");
  return quoted.replaceAll(/\\(.)/g, "$1");
}

/** The start of every script: nobody gets a prompt, every line is on every console, and `$disk` is what GRUB was loaded from. */
export const grubConsoles = (): string =>
  lines(
    "set pager=0",
    // Nobody is a superuser without a password: should GRUB ever fall through to its prompt, that prompt is locked.
    "set superusers=nobody",
    // UEFI's console is on the serial port where the firmware was told so: a second one would say everything twice.
    // A BIOS machine without a serial port keeps the screen.
    `if [ "$grub_platform" = pc ]; then`,
    "  if serial --unit=0 --speed=115200; then terminal_output console serial; fi",
    "fi",
    // GRUB has set it to what it was loaded from: a disk, or a partition of one.
    `regexp --set=1:disk '^([^,]+)' "$root"`,
  );

/** The end of every script. @param why in GRUB's words */
export const grubRestart = (why: string): string =>
  lines(`echo "petrify: ${why}: restarting in ${REBOOT_SECONDS} seconds"`, `sleep ${REBOOT_SECONDS}`, "reboot");

/** The script of a disk. GRUB has set `root` to the efi partition of the disk that it was loaded from. */
export function grubScript(): string {
  return lines(
    grubConsoles(),
    `set record_part="$disk,gpt${number("record")}"`,
    `set state_part="$disk,gpt${number("state")}"`,
    `set recovery_part="$disk,gpt${number("recovery")}"`,
    `set tries_file="($disk,gpt${number("efi")})${TRIES_FILE}"`,
    grubFunctions(),
    "function start {",
    `  set problem="its kernel cannot be loaded"`,
    `  set words="petrify.slot=$target petrify.disk=$part_uuid petrify.file=$file"`,
    `  if linux "$boot/${BOOT_FILES.kernel}" $${CMDLINE_VARIABLE} $words; then true; else return 1; fi`,
    `  set problem="its initrd cannot be loaded"`,
    `  if initrd "$boot/${BOOT_FILES.initrd}"; then true; else return 1; fi`,
    `  set problem="its kernel came back"`,
    "  boot",
    "  return 1",
    "}",
    "choose",
    grubRestart("nothing on this disk boots"),
  );
}

/**
 * `choose`, and what it needs. It reads `$record_part`, `$state_part`, `$recovery_part` and `$tries_file`, and calls `start`, which comes
 * back with status 1 when `$target` does not boot, and `$problem` says why; status 0, in tests, ends `choose`.
 */
export function grubFunctions(): string {
  return lines(readCopy(), readRecord(), readTries(), saving(), attempt(), ...BOOT_TARGETS.map(bootTarget), choose());
}

/** One copy of the record into the variables of its own names. Status 0: it is whole, or whole and of another format. */
const readCopy = (): string =>
  lines(
    "function read_copy {",
    ...[...Object.keys(RECORD_ENVELOPE), ...Object.keys(RECORD_FIELDS)].map((name) => `  set ${name}=missing`),
    `  if load_env --file "($record_part)$1" ${[...Object.keys(RECORD_ENVELOPE), ...Object.keys(RECORD_FIELDS)].join(" ")}; then true`,
    "  else return 1; fi",
    // The list names its block list without a device: that is looked for on $root.
    `  set loaded_from="$root"`,
    `  set root="$record_part"`,
    `  hashsum --hash crc32 --check "($record_part)$2"`,
    `  set sum="$?"`,
    `  set root="$loaded_from"`,
    `  if [ "$sum" != 0 ]; then return 1; fi`,
    ...Object.entries(RECORD_ENVELOPE).map((field) => `  ${refuseUnless(...field)}`),
    `  if [ "$first" != "$last" ]; then return 1; fi`,
    `  if [ "$format" != ${RECORD_FORMAT} ]; then return 0; fi`,
    ...Object.entries(RECORD_FIELDS).map((field) => `  ${refuseUnless(...field)}`),
    "  return 0",
    "}",
  );

const KEPT = ["format", "first", "active", "state_a", "state_b", "recovery"] as const;

/** The newest whole copy into `$fact_…`. */
const readRecord = (): string =>
  lines(
    "function keep_copy {",
    ...KEPT.map((name) => `  set fact_${name}="$${name}"`),
    "}",
    "function read_record {",
    "  set fact_record=unreadable",
    ...KEPT.map((name) => `  set fact_${name}=`),
    ...RECORD_COPIES.flatMap((copy) => [
      `  echo -n "petrify: boot record, copy ${copy + 1}: "`,
      `  if read_copy ${recordBlockList(copy)} ${recordCheckBlockList(copy)}; then`,
      `    if [ -z "$fact_first" ]; then keep_copy; elif [ "$first" -gt "$fact_first" ]; then keep_copy; fi`,
      "  else",
      `    echo "petrify: boot record: copy ${copy + 1} is unreadable"`,
      "  fi",
    ]),
    `  if [ "$fact_format" = ${RECORD_FORMAT} ]; then`,
    "    set fact_record=whole",
    "  else",
    ...KEPT.map((name) => `    set fact_${name}=`),
    "  fi",
    "}",
  );

const readTries = (): string =>
  lines(
    "function load_tries {",
    ...Object.keys(TRIES_FIELDS).map((name) => `  set ${name}=missing`),
    `  if load_env --file "$tries_file" ${Object.keys(TRIES_FIELDS).join(" ")}; then true; else return 1; fi`,
    ...Object.entries(TRIES_FIELDS).map((field) => `  ${refuseUnless(...field)}`),
    "  return 0",
    "}",
    "function read_tries {",
    "  set fact_next=",
    ...SLOTS.map((slot) => `  set fact_left_${slot}=unknown`),
    "  if load_tries; then",
    `    set fact_next="$next"`,
    ...SLOTS.map((slot) => `    if [ "$try_${slot}" = 0 ]; then set fact_left_${slot}=none; else set fact_left_${slot}=some; fi`),
    "  else",
    `    echo "petrify: tries are unreadable: nothing on trial is booted"`,
    "  fi",
    "}",
  );

/** GRUB has no arithmetic: the numbers are listed. */
const saving = (): string =>
  lines(
    "function save_tries {",
    "  set saved=no",
    `  if save_env --file "$tries_file" ${Object.keys(TRIES_FIELDS).join(" ")}; then set saved=yes; fi`,
    "}",
    ...SLOTS.flatMap((slot) => [
      `function take_try_${slot} {`,
      ...Array.from({ length: MAX_TRIES }, (_, less) => {
        return `  ${less === 0 ? "if" : "elif"} [ "$try_${slot}" = ${less + 1} ]; then set try_${slot}=${less}`;
      }),
      "  fi",
      "  save_tries",
      "}",
    ]),
    "function clear_next {",
    "  set next=",
    "  save_tries",
    "}",
  );

/** Must be there and not be empty: an empty list would pass as checked. */
const CHECKED = [BOOT_FILES.kernel, BOOT_FILES.initrd, BOOT_FILES.config, BOOT_FILES.sums] as const;

/**
 * Opens one image, checks its boot files and starts it. The image stays open: GRUB 2.12's `hashsum` never closes its list, so the device
 * could not be removed. Its name says where the image is from, so opening the same one again is no harm.
 */
const attempt = (): string =>
  lines(
    "function attempt {",
    `  set title="$1"`,
    `  set target="$2"`,
    `  set part="$3"`,
    `  set file="$4"`,
    `  echo "petrify: $title ($reason)"`,
    "  if check_and_start; then return 0; fi",
    `  echo "petrify: $title does not boot: $problem"`,
    "  return 1",
    "}",
    "function check_and_start {",
    `  set problem="its partition has no GUID"`,
    `  if probe --set=part_uuid --part-uuid "($part)"; then true; else return 1; fi`,
    `  set problem="$file cannot be opened"`,
    `  if [ ! -s "($part)$file" ]; then return 1; fi`,
    `  regexp --set=1:name '([a-z0-9]+)' "$file"`,
    `  loopback "$name-$part_uuid" "($part)$file"`,
    `  set boot="($name-$part_uuid,gpt1)"`,
    ...CHECKED.flatMap((name) => [
      `  set problem="its boot partition has no ${name}"`,
      `  if [ ! -s "$boot/${name}" ]; then return 1; fi`,
    ]),
    `  set problem="a boot file does not match its SHA-256"`,
    `  if hashsum --hash sha256 --prefix "$boot" --check "$boot/${BOOT_FILES.sums}"; then true; else return 1; fi`,
    `  set problem="its ${BOOT_FILES.config} sets no command line"`,
    `  unset ${CMDLINE_VARIABLE}`,
    `  source "$boot/${BOOT_FILES.config}"`,
    `  if [ -z "$${CMDLINE_VARIABLE}" ]; then return 1; fi`,
    "  start",
    "}",
  );

function bootTarget(target: BootTarget): string {
  const call = (image: ImageName, title: string): string =>
    `attempt "${title}" ${target} "$${target === "recovery" ? "recovery" : "state"}_part" ${IMAGE_FILES[image]}`;
  if (target !== "recovery") return lines(`function boot_${target} {`, `  ${call(target, `slot ${target}`)}`, "}");
  const inOrder = (current: 1 | 2): string[] => {
    return imagesOf("recovery", current).map((image) => call(image, `recovery ${image.at(-1)}`));
  };
  return lines(
    "function boot_recovery {",
    `  if [ "$fact_recovery" = 2 ]; then`,
    ...inOrder(2).map((line) => `    if ${line}; then return 0; fi`),
    "  else",
    ...inOrder(1).map((line) => `    if ${line}; then return 0; fi`),
    "  fi",
    "  return 1",
    "}",
  );
}

/** The table. */
const choose = (): string =>
  lines(
    "function choose {",
    "  read_record",
    "  read_tries",
    ...BOOT_TARGETS.map((target) => `  set failed_${target}=no`),
    ...BOOT_RULES.map(ruleLines),
    "  return 1",
    "}",
  );

function ruleLines({ rule, when, first, unsaved, boot, because }: BootRule): string {
  const who = boot === undefined ? "next" : boot === "recovery" ? "recovery" : `slot ${boot}`;
  const store = first === "take-try" ? `take_try_${boot}` : "clear_next";
  const go = boot
    ? [`set reason="rule ${rule}: ${because}"`, `if boot_${boot}; then return 0; fi`, `set failed_${boot}=yes`]
    : [`echo "petrify: $fact_next is not booted: ${because}"`];
  const stored = [
    `if [ "$saved" = yes ]; then`,
    ...indent(go),
    "else",
    `  echo "petrify: ${who} is not booted: that cannot be stored"`,
    "fi",
  ];
  const body = first === undefined ? go : unsaved === "boot" || !boot ? [store, ...go] : [store, ...stored];
  // One condition at a time: GRUB is slow at tests, and most lines fail the first.
  const nested = conditions(when, boot).reduceRight<string[]>(
    (inner, is) => [`if [ ${is} ]; then`, ...indent(inner), "fi"],
    body,
  );
  return lines(...indent([`# rule ${rule}`, ...nested]));
}

function conditions(when: Condition, boot: BootTarget | undefined): string[] {
  const terms = Object.entries(when).map(([fact, values]) => values.map((value) => `"$fact_${fact}" = ${value}`).join(" -o "));
  return [...terms, ...(boot ? [`"$failed_${boot}" = no`] : [])];
}

const refuseUnless = (name: string, pattern: string): string => `if regexp '${pattern}' "$${name}"; then true; else return 1; fi`;
const number = (name: DiskPartition): number => DISK_PARTITIONS.indexOf(name) + 1;
const indent = (texts: readonly string[]): string[] => texts.map((text) => `  ${text}`);
/** Lines of a script, which may be several each. */
export const lines = (...texts: readonly string[]): string => `${texts.map((text) => text.trimEnd()).join("\n")}\n`;
