/** {@link Calls} by way of QuickJS and the native module. */
import * as native from "native";
import * as os from "os";
import * as std from "std";
import type { Calls } from "./calls.ts";
import { SysError } from "./sys.ts";

export const quickJsCalls = (): Calls => ({
  call: (what, number, ...values) => {
    const result = native.syscall(number, ...values);
    if (result < 0) throw new SysError(what, -result, std.strerror(-result));
    return result;
  },
  attempt: native.syscall,
  spawn: (argv, input) => {
    const pid = os.exec(argv, { block: false, usePath: false, stdin: input });
    if (pid < 0) throw new SysError(`start ${argv[0]}`, -pid, std.strerror(-pid));
    return pid;
  },
  endOf: (pid) => os.waitpid(pid, 0)[1],
  wait: () => os.waitpid(-1, 0),
  exec: (argv, environment) => {
    const errno = -native.execve(argv[0]!, argv, environment);
    throw new SysError(`start ${argv[0]}`, errno, std.strerror(errno));
  },
});
