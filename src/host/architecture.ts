import { machine } from "node:os";

/** As uname(1) says it: `x86_64`. */
export const machineArchitecture = (): string => machine();
