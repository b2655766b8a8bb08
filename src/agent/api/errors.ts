/** What went wrong, as the API says it. */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { AppError } from "../../core/error.ts";

/** Of a response that has failed: the code that the command line of a machine says, for programs. */
export const CODE_HEADER = "error-code";

/** Where the state of the machine is not the reason. */
const CODES: Readonly<Record<string, Code>> = {
  AGENT_UNREACHABLE: Code.Unavailable,
  NO_SUCH_CALL: Code.Unimplemented,
  REQUEST_INVALID: Code.InvalidArgument,
};

/** An operator's failure keeps its code, its sentence and its hint; of anything else only the log says what it was. */
function toConnectError(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  if (!(error instanceof AppError) || error.code === "INTERNAL")
    return new ConnectError("the machine failed to answer", Code.Internal, undefined, undefined, error);
  const text = error.hint ? `${error.message}\nhint: ${error.hint}` : error.message;
  return new ConnectError(text, CODES[error.code] ?? Code.FailedPrecondition, { [CODE_HEADER]: error.code }, undefined, error);
}

/** @param failed what nobody has expected */
export function tellErrors(failed: (method: string, error: unknown) => void): Interceptor {
  return (next) => async (call) => {
    const told = (error: unknown): ConnectError => {
      const one = toConnectError(error);
      if (one.code === Code.Internal && !call.signal.aborted) failed(call.method.name, error);
      return one;
    };
    try {
      const answer = await next(call);
      return answer.stream ? { ...answer, message: eachOf(answer.message, told) } : answer;
    } catch (error) {
      throw told(error);
    }
  };
}

async function* eachOf<T>(messages: AsyncIterable<T>, told: (error: unknown) => ConnectError): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw told(error);
  }
}
