/** What the contract asks of a machine without an owner, answered by its agent. */
import type { ConnectRouter } from "@connectrpc/connect";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { EnrolmentService } from "../../protocol/petrify/v1/enrolment_pb.ts";
import type { EnrolRequest, EnrolResult } from "../enrolment.ts";
import { imageOf, installationOf, machineOf } from "./messages.ts";
import type { NodeAnswers } from "./node-service.ts";

/** What the handlers need of the agent. */
export interface EnrolmentAnswers extends Pick<NodeAnswers, "version" | "status"> {
  readonly enrol: (request: EnrolRequest, signal: AbortSignal) => Promise<EnrolResult>;
}

/** @param enrolled the machine has an owner now, and the answer is on its way */
export function registerEnrolmentService(
  router: ConnectRouter,
  { version, status, enrol }: EnrolmentAnswers,
  enrolled: () => void,
): void {
  router.service(EnrolmentService, {
    describe: async (_request, { signal }) => {
      const found = await status(signal);
      return {
        ...{ version, at: timestampFromMs(found.at * 1000), machine: machineOf(found), image: imageOf(found) },
        ...(found.installation ? { installation: installationOf(found.installation) } : {}),
      };
    },
    enrol: async ({ documents, authorities, certificate, epoch, recovery, recoveryToken }, { signal }) => {
      const given = documents.map(({ origin, text }) => ({ origin, text }));
      const result = await enrol(
        { documents: given, authorities, certificate, epoch: Number(epoch), recovery, recoveryToken },
        signal,
      );
      enrolled();
      const { generation, problems, reboot, installsTo = "" } = result;
      return {
        ...(generation === undefined ? {} : { generation: BigInt(generation) }),
        ...{ problems: [...problems], reboot: [...reboot], installsTo },
      };
    },
  });
}
