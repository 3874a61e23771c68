// Does what the event says; the tests ask the same of every runtime.
import { exit, kill, pid } from "node:process";
import { setTimeout } from "node:timers/promises";

export const handler = async (event, context) => {
  if (event.do === "wait") await setTimeout(event.seconds * 1000);
  if (event.do === "fail") throw new Error("asked to fail");
  if (event.do === "exit") exit(event.status);
  if (event.do === "crash") kill(pid, "SIGKILL");
  return { n: event.n, request_id: context.awsRequestId, process_id: pid };
};
