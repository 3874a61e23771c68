// Answers the invocations that a worker thread takes with it when it ends (process.exit, an uncaught error): the client
// leaves them to their timeout, and from outside nobody can tell which thread had them. The client itself stays as it is;
// its poll and its posts are watched. Nothing is done on the main thread.
//
// The thread's poll stays open when it has ended, and the next event given to it would abort the process. So the platform
// is told first, by the end of a log connection that nothing is written to, and answered after.
"use strict";

const { createConnection } = require("node:net");
const { isMainThread } = require("node:worker_threads");

function lifeline(path) {
  if (!path) return () => {};
  const connection = createConnection(path).on("error", () => {});
  connection.unref();
  return () => connection.destroy();
}

function watch(client) {
  const running = new Set();
  const most = Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY) || 1;
  const { next, done, error } = client;
  const letGo = lifeline(process.env._LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET);

  client.next = async () => {
    const invocation = await next();
    const headers = invocation.headers;
    const id = headers["lambda-runtime-aws-request-id"] ?? headers["Lambda-Runtime-Aws-Request-Id"];
    running.add(id);
    // The answers of streaming handlers do not come by here; no more than this can be running.
    if (running.size > most) running.delete(running.values().next().value);
    return invocation;
  };
  client.done = (id, ...more) => {
    running.delete(decodeURIComponent(id));
    return done(id, ...more);
  };
  client.error = (id, ...more) => {
    running.delete(decodeURIComponent(id));
    return error(id, ...more);
  };
  process.on("exit", (status) => {
    letGo();
    const reason = status ? `Runtime exited with error: exit status ${status}` : "Runtime exited without providing a reason";
    for (const id of running) {
      const document = { errorType: "Runtime.ExitError", errorMessage: `RequestId: ${id} Error: ${reason}` };
      try {
        error(encodeURIComponent(id), JSON.stringify(document), "{}");
      } catch {
        // It was answered, or its time was up.
      }
    }
  });
}

if (!isMainThread) watch(require("./node_modules/aws-lambda-ric/rapid-client.node"));
