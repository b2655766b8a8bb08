/** What a person at the terminal wants. */
export type ConsoleAction = { readonly type: "send"; readonly text: string } | { readonly type: "end" | "pull-plug" | "help" };

const CTRL_A = "\u0001";
const CTRL_C = "\u0003";

export const KEYS_HELP =
  "Ctrl-C ends the machine. Ctrl-A is a prefix: Ctrl-A c sends Ctrl-C, Ctrl-A a sends Ctrl-A, Ctrl-A x pulls the plug.";

/**
 * Divides what is typed between the guest and us; Ctrl-A is the prefix, as in QEMU and screen.
 *
 * @returns a function that takes typed text and remembers a prefix between calls
 */
export function consoleKeys(): (typed: string) => ConsoleAction[] {
  let prefixed = false;
  return (typed) => {
    const actions: ConsoleAction[] = [];
    let text = "";
    const flush = (): void => {
      if (text) actions.push({ type: "send", text });
      text = "";
    };
    const act = (type: "end" | "pull-plug" | "help"): void => {
      flush();
      actions.push({ type });
    };
    for (const key of typed) {
      if (prefixed) {
        prefixed = false;
        if (key === "x") act("pull-plug");
        else if (key === "h" || key === "?") act("help");
        else if (key === "c") text += CTRL_C;
        else if (key === "a" || key === CTRL_A) text += CTRL_A;
        else if (key === CTRL_C) act("end");
        else text += CTRL_A + key;
      } else if (key === CTRL_A) prefixed = true;
      else if (key === CTRL_C) act("end");
      else text += key;
    }
    flush();
    return actions;
  };
}
