/** The keys that end what every other key goes to: Ctrl-] three times within a second, as systemd-nspawn(1) has it. Pure. */

const CTRL_BRACKET = 0x1d;
const TIMES = 3;
const WITHIN_MS = 1000;

/** @param now milliseconds @returns whether that was the third, of what was typed from time to time */
export function escapeKeys(now: () => number): (typed: Uint8Array) => boolean {
  let pressed: number[] = [];
  return (typed) => {
    for (const key of typed) {
      pressed = key === CTRL_BRACKET ? [...pressed, now()].slice(-TIMES) : [];
      if (pressed.length === TIMES && pressed.at(-1)! - pressed[0]! <= WITHIN_MS) return true;
    }
    return false;
  };
}
