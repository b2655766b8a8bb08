/** @portable What a process may do beside what everybody may, by numbers of capabilities. Source: capabilities(7), linux/capability.h */
import { NUMBERS, type Calls } from "./calls.ts";

/** Source: linux/prctl.h */
export const PRCTL = {
  deathSignal: 1,
  keepCapabilities: 8,
  hasBound: 23,
  dropBound: 24,
  noNewPrivileges: 38,
  ambient: 47,
} as const;
const CAPABILITIES_3 = 0x20080522;

/** Nothing that is started from here on has others. @throws SysError */
export function boundCapabilities({ call, attempt }: Calls, capabilities: readonly number[]): void {
  for (let one = 0; attempt(NUMBERS.prctl, PRCTL.hasBound, one, 0, 0, 0) >= 0; one++) {
    if (!capabilities.includes(one)) call("drop a capability", NUMBERS.prctl, PRCTL.dropBound, one, 0, 0, 0);
  }
}

/** This process has these, and can pass them on. @throws SysError */
export function setCapabilities({ call }: Calls, capabilities: readonly number[]): void {
  const mask = capabilities.reduce((sum, one) => sum | (1n << BigInt(one)), 0n);
  const [low, high] = [Number(mask & 0xffffffffn), Number(mask >> 32n)];
  const sets = new Uint32Array([low, low, low, high, high, high]).buffer;
  call("set capabilities", NUMBERS.capset, new Uint32Array([CAPABILITIES_3, 0]).buffer, sets);
}
