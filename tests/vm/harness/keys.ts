import type { Vm } from "../../../src/vm/vm.ts";

/** Keys of the machine's keyboard, pressed together. @param keys by QEMU's names: `ctrl`, `alt`, `delete`, `sysrq`, `f3` … */
export async function press({ qmp }: Vm, ...keys: readonly string[]): Promise<void> {
  await qmp.execute("send-key", { keys: keys.map((data) => ({ type: "qcode", data })) });
}

/** A break on the serial line of the console: no character, and what the kernel takes for its SysRq key. */
export const breakConsole = async ({ qmp }: Vm): Promise<void> =>
  void (await qmp.execute("chardev-send-break", { id: "console" }));

/** What whoever sits at a boot loader types to get its menu, its editor or its prompt. */
export async function typeAtLoader(vm: Vm): Promise<void> {
  for (const key of ["esc", "shift", "f8", "c", "e", "ret"]) await press(vm, key);
  vm.sendConsole("\u001bce\r");
}
/** What a boot loader shows then. */
export const LOADER_PROMPT = /grub>|rescue>|username|GNU GRUB|Minimal BASH-like/;
