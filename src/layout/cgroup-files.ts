/** @portable What the kernel says of a control group. Source: kernel docs, admin-guide/cgroup-v2, "Interface Files" */

/** `name number` a line. Lines of another form are passed over. Never throws. */
export const parseCounters = (text: string): ReadonlyMap<string, number> =>
  new Map([...text.matchAll(/^([\w.]{1,64}) (\d{1,15})$/gm)].map(([, name, number]) => [name!, Number(number)]));

/** `io.stat`: bytes of all devices together; nothing where none is counted. Never throws. */
export function sumOfIo(text: string): { readonly read: number; readonly written: number } | undefined {
  const lines = [...text.matchAll(/^\d+:\d+ .*?rbytes=(\d{1,15}) wbytes=(\d{1,15})/gm)];
  if (lines.length === 0) return undefined;
  const sum = (field: 1 | 2): number => lines.reduce((all, line) => all + Number(line[field]), 0);
  return { read: sum(1), written: sum(2) };
}
