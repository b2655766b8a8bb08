import { join } from "node:path";
import { z } from "zod";
import { fileExists } from "../../host/files.ts";
import { openrc } from "../../host/init-openrc.ts";
import { systemd } from "../../host/init-systemd.ts";
import type { ServicesResponseJson } from "../../protocol/petrify/v1/system_pb.ts";
import { bootTime } from "./boot-time.ts";
import { lookCall } from "./call.ts";
import { serviceList } from "./service-list.ts";

const TIMEOUT_MS = 15_000;

/** For root alone: the bus of a system with systemd answers nobody who is in no list of its users. The API asks the agent. */
export const services = lookCall({
  request: z.strictObject({}),
  answer: async (_request, ports, signal): Promise<ServicesResponseJson> => {
    const isOpenrc = await fileExists(join(ports.root, "run/openrc"));
    const init = isOpenrc ? openrc(ports.run, fileExists) : systemd(ports.run);
    const listed = await init.services(AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
    return { services: serviceList(init.kind, listed, await bootTime(ports)) };
  },
});
