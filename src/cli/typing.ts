import type { CliContext } from "./context.ts";

/** Passes on what is typed, of a terminal every key; the terminal is as it was when the scope ends. */
export function typing({ terminal: { input }, sinks }: CliContext, onTyped: (text: string) => void): Disposable {
  const onData = (typed: Buffer | string): void => onTyped(typed.toString());
  if (input.isTTY) input.setRawMode(true);
  input.on("data", onData);
  return {
    [Symbol.dispose]: () => {
      input.off("data", onData);
      input.pause();
      if (!input.isTTY) return;
      input.setRawMode(false);
      sinks.err("\u001b[0m\r\n"); // the guest stopped anywhere in a line, in any colour
    },
  };
}
