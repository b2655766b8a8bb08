const CTRL_BRACKET = "\u001d";

/** What was typed at the console of a VM that goes on without us: everything but Ctrl-] is the guest's. */
export function untilDetached(typed: string): { readonly text: string; readonly detach: boolean } {
  const at = typed.indexOf(CTRL_BRACKET);
  return at === -1 ? { text: typed, detach: false } : { text: typed.slice(0, at), detach: true };
}
