// One ordinary Node.js function whose event says what to do.
import { promises as fs } from "node:fs";

const actions = {
  echo: async (event, context) => ({
    event,
    environment: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    requestId: context.awsRequestId,
    version: context.functionVersion,
  }),
  wait: async (event, context) => {
    await new Promise((resolve) => setTimeout(resolve, event.seconds * 1000));
    return actions.echo(event, context);
  },
  read: async () => ({ bytes: (await fs.readFile(new URL(import.meta.url))).length }),
  fail: async (event) => {
    throw new TypeError(event.text ?? "as asked");
  },
  leave: async () => process.exit(1),
};

export const handler = (event, context) => actions[event.do ?? "echo"](event, context);
