/**
 * @portable GRUB's script: the table of boot-rules.ts as commands of GRUB 2.12. It has no menu and no prompt, and ends in a boot or a
 * reboot. Each line it prints starts with `petrify:` and
 * fits 79 columns: GRUB breaks longer ones.
 */
import { AppError } from "../core/error.ts";
import { BOOT_RULES, imagesOf, type BootRule, type Condition, type ImageName } from "./boot-rules.ts";
import { DISK_PARTITIONS, IMAGE_FILES, TRIES_FILE, type DiskPartition } from "./disk.ts";
import { blockList, checkBlockList, COPIES, COPY_ENVELOPE, type CopiesKind } from "./env-copies.ts";
import { KERNEL_ARGS } from "./kernel-args.ts";
import { RECORD } from "./record.ts";
import { BOOT_TARGETS, FULL_TRIES, MAX_TRIES, SLOTS, type BootTarget } from "./slots.ts";
import { BOOT_FILES } from "./system-image.ts";
import { ARGS_TRIES, TRIES_FIELDS } from "./tries.ts";

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
    `  if [ -n "$args_trial" ]; then set words="$words petrify.trial=$args_trial"; fi`,
    // What the kernel has no room for is cut off at the end.
    `  if linux "$boot/${BOOT_FILES.kernel}" $${CMDLINE_VARIABLE} $words $args; then true; else return 1; fi`,
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
  return lines(
    ...[...copyFunctions(RECORD, "record"), ...copyFunctions(KERNEL_ARGS, "args"), readTries(), saving()],
    ...[argsFunctions(), attempt(), ...BOOT_TARGETS.map(bootTarget), choose()],
  );
}

/** `read_WORD`: the newest whole copy into `$fact_NAME` of each of its variables; `$fact_WORD` is `whole` or `unreadable`. */
function copyFunctions(kind: CopiesKind, word: string): readonly string[] {
  const own = Object.entries(kind.fields);
  const all = [...Object.keys(COPY_ENVELOPE), ...Object.keys(kind.fields)];
  const kept = ["format", "first", ...Object.keys(kind.fields)];
  return [
    // One copy into the variables of its own names. Status 0: it is whole, or whole and of another format.
    lines(
      `function read_${word}_copy {`,
      ...all.map((name) => `  set ${name}=missing`),
      `  if load_env --file "($record_part)$1" ${all.join(" ")}; then true`,
      "  else return 1; fi",
      // The list names its block list without a device: that is looked for on $root.
      `  set loaded_from="$root"`,
      `  set root="$record_part"`,
      `  hashsum --hash crc32 --check "($record_part)$2"`,
      `  set sum="$?"`,
      `  set root="$loaded_from"`,
      `  if [ "$sum" != 0 ]; then return 1; fi`,
      ...Object.entries(COPY_ENVELOPE).map((field) => `  ${refuseUnless(...field)}`),
      `  if [ "$first" != "$last" ]; then return 1; fi`,
      `  if [ "$format" != ${kind.format} ]; then return 0; fi`,
      ...own.map((field) => `  ${refuseUnless(...field)}`),
      "  return 0",
      "}",
    ),
    lines(
      `function keep_${word}_copy {`,
      ...kept.map((name) => `  set fact_${name}="$${name}"`),
      "}",
      `function read_${word} {`,
      `  set fact_${word}=unreadable`,
      ...kept.map((name) => `  set fact_${name}=`),
      ...COPIES.flatMap((copy) => [
        `  echo -n "petrify: ${kind.name}, copy ${copy + 1}: "`,
        `  if read_${word}_copy ${blockList(kind, copy)} ${checkBlockList(kind, copy)}; then`,
        `    if [ -z "$fact_first" ]; then keep_${word}_copy; elif [ "$first" -gt "$fact_first" ]; then keep_${word}_copy; fi`,
        "  else",
        `    echo "petrify: ${kind.name}: copy ${copy + 1} is unreadable"`,
        "  fi",
      ]),
      `  if [ "$fact_format" = ${kind.format} ]; then`,
      `    set fact_${word}=whole`,
      "  else",
      ...kept.map((name) => `    set fact_${name}=`),
      "  fi",
      "}",
    ),
  ];
}

const readTries = (): string =>
  lines(
    "function load_tries {",
    ...TRIES_NAMES.map((name) => `  set ${name}=missing`),
    `  if load_env --file "$tries_file" ${TRIES_NAMES.join(" ")}; then true; else return 1; fi`,
    ...Object.entries(TRIES_FIELDS).map((field) => `  ${refuseUnless(...field)}`),
    `  if regexp '${ARGS_TRIES.pattern}' "$${ARGS_TRIES.name}"; then true; else set ${ARGS_TRIES.name}=0; fi`,
    "  return 0",
    "}",
    "function read_tries {",
    "  set fact_next=",
    ...SLOTS.map((slot) => `  set fact_left_${slot}=unknown`),
    "  if load_tries; then",
    `    set fact_next="$next"`,
    ...SLOTS.map((slot) => `    if [ "$try_${slot}" = 0 ]; then set fact_left_${slot}=none; else set fact_left_${slot}=some; fi`),
    "  else",
    `    set ${ARGS_TRIES.name}=0`,
    `    echo "petrify: tries are unreadable: nothing on trial is booted"`,
    "  fi",
    "}",
  );

/** GRUB has no arithmetic: the numbers are listed. */
const saving = (): string =>
  lines(
    "function save_tries {",
    "  set saved=no",
    `  if save_env --file "$tries_file" ${TRIES_NAMES.join(" ")}; then set saved=yes; fi`,
    "}",
    ...SLOTS.map((slot) => takeTry(`try_${slot}`, MAX_TRIES)),
    takeTry(ARGS_TRIES.name, FULL_TRIES.trial),
    "function clear_next {",
    "  set next=",
    "  save_tries",
    "}",
  );

const TRIES_NAMES = [...Object.keys(TRIES_FIELDS), ARGS_TRIES.name];
const takeTry = (name: string, most: number): string =>
  lines(
    `function take_${name} {`,
    ...Array.from({ length: most }, (_, less) => {
      return `  ${less === 0 ? "if" : "elif"} [ "$${name}" = ${less + 1} ]; then set ${name}=${less}`;
    }),
    "  fi",
    "  save_tries",
    "}",
  );

/** `choose_args`: of the slot that is about to be booted, into `$args` and `$args_trial`; what it does without is taken out of the image's words. */
const argsFunctions = (): string =>
  lines(
    "function choose_args {",
    ...["args", "args_gone", "args_trial"].map((name) => `  set ${name}=`),
    `  if [ "$target" = recovery ]; then return 0; fi`,
    "  read_args",
    `  if [ "$fact_args" != whole ]; then return 0; fi`,
    ...SLOTS.flatMap((slot) => [
      `  if [ "$target" = ${slot} ]; then`,
      `    set args="$fact_append_${slot}"`,
      `    set args_gone="$fact_remove_${slot}"`,
      `    set args_state="$fact_state_${slot}"`,
      "  fi",
    ]),
    `  if [ "$fact_trial_slot" = "$target" -a -n "$fact_trial" -a "$args_state" = proven -a "$${ARGS_TRIES.name}" != 0 ]; then`,
    `    take_${ARGS_TRIES.name}`,
    `    if [ "$saved" = yes ]; then`,
    `      echo "petrify: kernel arguments on trial"`,
    `      set args="$fact_trial_append"`,
    `      set args_gone="$fact_trial_remove"`,
    `      set args_trial="$fact_trial"`,
    "    else",
    `      echo "petrify: kernel arguments on trial are not used: that cannot be stored"`,
    "    fi",
    "  fi",
    `  if [ -n "$args_gone" ]; then without_args; fi`,
    "}",
    "function without_args {",
    "  set args_kept=",
    `  for word in $${CMDLINE_VARIABLE}; do`,
    "    set is_gone=no",
    `    for gone in $args_gone; do if [ "$word" = "$gone" ]; then set is_gone=yes; fi; done`,
    `    if [ "$is_gone" = no ]; then set args_kept="$args_kept $word"; fi`,
    "  done",
    `  set ${CMDLINE_VARIABLE}="$args_kept"`,
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
    "  choose_args",
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
