/** @portable What a machine without systemd has in place of the units of the API: docs/concepts/api.md, "With OpenRC". */
import {
  API_FOLDER,
  API_PORT,
  API_TOKEN,
  AUTHORITIES_FILE,
  CERTIFICATE_FILE,
  EPOCH_FILE,
  FORWARD_SOCKET,
  LOOK_SOCKET,
} from "../layout/api-places.ts";

/** A program that is started when somebody calls, and is nobody in particular then. */
export interface ApiProgram {
  readonly name: "api" | "look" | "forward";
  /** A port, or a path. */
  readonly listen: number | string;
  /** Of nobody else: the first of those that systemd has for programs of this kind. Source: systemd, docs/UIDS-GIDS.md */
  readonly uid: number;
  /** Numbers. Source: linux/capability.h */
  readonly capabilities: readonly number[];
  /** What it is given of what root alone may read: names, and where it is. What is not there is left out. */
  readonly credentials: Readonly<Record<string, string>>;
  /** Folders that it does not see. */
  readonly hidden: readonly string[];
  /** No network but what it is handed. */
  readonly isAlone: boolean;
  /** Does not see other processes. */
  readonly isBlind: boolean;
  /** Threads and processes that it may have. */
  readonly tasks: number;
  readonly nice: number;
}

const CAP = { dacReadSearch: 2, netRaw: 13, sysPtrace: 19, syslog: 34 } as const;
const IDENTITY_FOLDER = "/oem/identity";
const HOMES = ["/home", "/root", "/srv", "/usr/local", "/oem"];

export const API_PROGRAMS: readonly ApiProgram[] = [
  {
    ...{
      name: "api",
      listen: API_PORT,
      uid: 61_184,
      capabilities: [],
      isAlone: true,
      isBlind: true,
      tasks: 32,
      nice: 0,
    },
    credentials: {
      ...{ key: `${IDENTITY_FOLDER}/node-key.pem`, token: API_TOKEN },
      ...Object.fromEntries(
        [AUTHORITIES_FILE, CERTIFICATE_FILE, EPOCH_FILE].map((name) => [`api_${name}`, `${API_FOLDER}/${name}`]),
      ),
    },
    hidden: HOMES,
  },
  {
    ...{ name: "look", listen: LOOK_SOCKET, uid: 61_185, isAlone: false, isBlind: false, tasks: 320, nice: 5 },
    capabilities: [CAP.dacReadSearch, CAP.sysPtrace, CAP.syslog, CAP.netRaw],
    credentials: {},
    hidden: [IDENTITY_FOLDER, API_FOLDER],
  },
  {
    ...{
      name: "forward",
      listen: FORWARD_SOCKET,
      uid: 61_186,
      capabilities: [],
      isAlone: false,
      isBlind: true,
      tasks: 32,
      nice: 0,
    },
    credentials: { token: API_TOKEN },
    hidden: HOMES,
  },
];
