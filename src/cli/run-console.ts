import { AppError } from "../core/error.ts";
import { consoleKeys, KEYS_HELP, type ConsoleAction } from "../vm/console-keys.ts";
import type { Vm, VmExit } from "../vm/vm.ts";
import type { CliContext } from "./context.ts";
import { typing } from "./typing.ts";

export interface AttendOptions {
  /** The console is not shown. */
  readonly headless: boolean;
  /** The disk keeps what the guest writes, so it is asked to shut down instead of being cut off. */
  readonly kept: boolean;
  /** Since the machine was started. */
  readonly seconds: () => number;
}

/** systemd, OpenRC and every getty. */
const BOOTED = /Reached target [^\n]*[Mm]ulti-[Uu]ser|(?:^|\n)[^\n]*login: /;
const BOOT_LIMIT_MS = 600_000;

/** Stays with a machine until it ends: shows its console, passes on what is typed, says when it has booted. */
export async function attend(context: CliContext, vm: Vm, { headless, kept, seconds }: AttendOptions): Promise<VmExit> {
  const { output, sinks, terminal } = context;
  const booted = sayWhenBooted();
  using scope = new DisposableStack();
  if (!headless) {
    scope.use(connect(context, vm, kept));
    sinks.err(`${KEYS_HELP}\n`);
    sinks.out(vm.consoleText());
    vm.onConsole((text) => void terminal.output.write(text));
  }
  const exit = await vm.exited;
  await booted;
  context.signal.throwIfAborted();
  return exit;

  async function sayWhenBooted(): Promise<void> {
    try {
      await vm.waitForConsole(BOOTED, { timeoutMs: BOOT_LIMIT_MS });
    } catch (error) {
      if (error instanceof AppError) return; // it need not look like a Linux that boots
      throw error;
    }
    const event = { type: "booted", seconds: seconds() };
    output.event(event, headless ? `booted after ${event.seconds} s; Ctrl-C ends it` : undefined);
  }
}

/** Passes on what is typed, but for the keys that end the machine. */
function connect(context: CliContext, vm: Vm, kept: boolean): Disposable {
  const { terminal, sinks } = context;
  const keys = terminal.input.isTTY ? consoleKeys() : (typed: string): ConsoleAction[] => [{ type: "send", text: typed }];
  let asked = false;
  const end = async (): Promise<void> => {
    if (!kept || asked) return void (await vm.quit());
    asked = true;
    sinks.err("\r\nasking the machine to shut down; Ctrl-C again pulls the plug\r\n");
    await vm.qmp.execute("system_powerdown");
  };
  const act = (action: ConsoleAction): void => {
    if (action.type === "send") vm.sendConsole(action.text);
    else if (action.type === "help") sinks.err(`\r\n${KEYS_HELP}\r\n`);
    else void (action.type === "end" ? end() : vm.quit()).catch(() => {}); // it has ended meanwhile
  };
  return typing(context, (typed) => keys(typed).forEach(act));
}
