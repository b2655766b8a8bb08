/** What can be done to a service. */
export const SERVICE_ACTIONS = ["start", "stop", "restart"] as const;
export type ServiceAction = (typeof SERVICE_ACTIONS)[number];

/** What starts the system's services, whichever program that is: src/host/init-systemd.ts, src/host/init-openrc.ts. */
export interface InitSystem {
  readonly kind: "systemd" | "openrc";
  /**
   * A unit that does not exist is not active.
   *
   * @param name of a unit, such as `ssh.service`; of OpenRC that is the service `ssh`
   */
  unit(name: string, signal?: AbortSignal): Promise<UnitState>;
  /**
   * Returns once the service is in the state that was asked for, or has failed to get there.
   *
   * @param name of a unit that exists
   * @throws CommandError where it is not done: what the program behind it has said
   */
  act(name: string, action: ServiceAction, signal?: AbortSignal): Promise<void>;
  /** What it says of each of its services: as systemctl(1) shows properties, as rc-status(8) lists in the form `ini`. */
  services(signal?: AbortSignal): Promise<string>;
  /** Names of the units that have failed and are still so, sorted. */
  failed(signal?: AbortSignal): Promise<readonly string[]>;
  /** Whether everything that a boot starts has been started, or has failed to. */
  booted(signal?: AbortSignal): Promise<BootProgress>;
  /** Restarts the machine in good order; returns once that is under way. @param reason for the log, where it can be given */
  restart(reason: string): Promise<void>;
  /** Turns the machine off, in the same way. */
  powerOff(reason: string): Promise<void>;
}

export interface UnitState {
  readonly active: boolean;
  /** A word or two for people: `running`, `failed (exit-code)`. */
  readonly state: string;
}
export interface BootProgress {
  readonly done: boolean;
  /** What the boot waits for, or why it will not get there, as the end of a sentence that starts with "waits for"; empty when done. */
  readonly waitingFor: string;
}

/** Test double: units that are not named do not exist; what was asked of it is in `restarts`, `powerOffs` and `actions`. Its fields can be changed at any time. */
export interface FakeInitSystem extends InitSystem {
  readonly units: Record<string, UnitState>;
  failedUnits: readonly string[];
  waitingFor: string;
  readonly restarts: string[];
  readonly powerOffs: string[];
  readonly actions: string[];
}

export function fakeInitSystem(kind: InitSystem["kind"] = "systemd"): FakeInitSystem {
  const fake: FakeInitSystem = {
    ...{ kind, units: {}, failedUnits: [], waitingFor: "", restarts: [], powerOffs: [], actions: [] },
    unit: async (name) => await Promise.resolve(fake.units[name] ?? { active: false, state: "not found" }),
    act: async (name, action) => {
      await Promise.resolve();
      fake.actions.push(`${action} ${name}`);
      fake.units[name] = action === "stop" ? { active: false, state: "inactive" } : { active: true, state: "running" };
    },
    services: async () => await Promise.resolve("Id=ssh.service\nActiveState=active\nStateChangeTimestampMonotonic=2000000\n"),
    failed: async () => await Promise.resolve(fake.failedUnits),
    booted: async () => await Promise.resolve({ done: fake.waitingFor === "", waitingFor: fake.waitingFor }),
    restart: async (reason) => await Promise.resolve(void fake.restarts.push(reason)),
    powerOff: async (reason) => await Promise.resolve(void fake.powerOffs.push(reason)),
  };
  return fake;
}
