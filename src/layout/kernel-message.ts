/** @portable What the kernel has said, a record of `/dev/kmsg`. Pure. Source: Linux, Documentation/ABI/testing/dev-kmsg */

export interface KernelMessage {
  /** Counted from 0 in each boot. */
  readonly number: number;
  /** Microseconds since the kernel's start. */
  readonly time: number;
  /** 0 … 7, as in syslog(3). */
  readonly priority: number;
  /** As in syslog(3). */
  readonly facility: number;
  readonly message: string;
}

/** @param record a line; what follows it, indented, is of no use here @returns nothing for what is no record. Never throws. */
export function parseKernelMessage(record: string): KernelMessage | undefined {
  const [, prefix, number, time, message] = /^(\d{1,9}),(\d{1,15}),(\d{1,15})(?:,[^;]*)?;(.*)$/s.exec(record) ?? [];
  if (message === undefined) return undefined;
  const syslog = Number(prefix);
  return {
    ...{ number: Number(number), time: Number(time), message: unescaped(message) },
    ...{ priority: syslog & 7, facility: syslog >> 3 },
  };
}

/** Bytes that are no ASCII, or do not print, are `\xNN`. */
function unescaped(text: string): string {
  if (!text.includes("\\x") || /\P{ASCII}/u.test(text)) return text;
  const bytes = text.replaceAll(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}
