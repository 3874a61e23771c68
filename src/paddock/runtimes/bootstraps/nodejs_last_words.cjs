// Answers the invocations that a worker thread takes with it when it ends: the client leaves them to their timeout, and from
// outside nobody can tell which thread had them. The client itself stays as it is; its poll and its posts are watched.
//
// The thread's poll stays open when it has ended, and the next event given to it would abort the process. So the platform
// is told first, by the end of a log connection that nothing is written to, and the invocations are answered after.
//
// A thread that ends by itself (process.exit, an uncaught error) answers for itself. One whose heap is full runs no
// JavaScript any more: the main thread hears that its end of a channel was closed and answers in its place. What the
// thread was running stands in memory that both share.
"use strict";

const { request } = require("node:http");
const { createConnection } = require("node:net");
const { MessageChannel, isMainThread, parentPort } = require("node:worker_threads");

const MARK = "paddock: invocations of this thread";
const LONGEST_ID = 128;
const ENTRY = 1 + LONGEST_ID; // how long the id is, and the id

class Running {
  constructor(shared) {
    this.shared = shared;
    this.bytes = Buffer.from(shared);
    this.entries = new Map();
    this.free = Array.from({ length: shared.byteLength / ENTRY }, (_, number) => number * ENTRY);
  }

  add(id) {
    // The answers of streaming handlers do not come by here; no more than there is room for can be running.
    if (!this.free.length) this.delete(this.entries.keys().next().value);
    const at = this.free.pop();
    this.entries.set(id, at);
    this.bytes[at] = this.bytes.latin1Write(id, at + 1, LONGEST_ID);
  }

  delete(id) {
    const at = this.entries.get(id);
    if (at === undefined) return;
    this.bytes[at] = 0;
    this.entries.delete(id);
    this.free.push(at);
  }

  all() {
    const found = [];
    for (let at = 0; at < this.bytes.length; at += ENTRY) {
      if (this.bytes[at]) found.push(this.bytes.latin1Slice(at + 1, at + 1 + this.bytes[at]));
    }
    return found;
  }
}

function errorDocument(id, reason) {
  return JSON.stringify({ errorType: "Runtime.ExitError", errorMessage: `RequestId: ${id} Error: ${reason}` });
}

function lifeline(path) {
  if (!path) return () => {};
  const connection = createConnection(path).on("error", () => {});
  connection.unref();
  return () => connection.destroy();
}

function tellMainThread(running) {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  parentPort.postMessage({ [MARK]: port2, shared: running.shared }, [port2]);
}

function watch(client) {
  const most = Number(process.env.AWS_LAMBDA_MAX_CONCURRENCY) || 1;
  const running = new Running(new SharedArrayBuffer(most * ENTRY));
  const { next, done, error } = client;
  const letGo = lifeline(process.env._LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET);
  let told = false;

  client.next = async () => {
    // Only now: threads that a function starts have this file, too, and parents who expect no message from it.
    if (!told) tellMainThread(running);
    told = true;
    const invocation = await next();
    const headers = invocation.headers;
    running.add(headers["lambda-runtime-aws-request-id"] ?? headers["Lambda-Runtime-Aws-Request-Id"]);
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
    for (const id of running.all()) {
      try {
        error(encodeURIComponent(id), errorDocument(id, reason), "{}");
      } catch {
        // It was answered, or its time was up.
      }
      running.delete(id);
    }
  });
}

function answerFor(id) {
  const path = `/2018-06-01/runtime/invocation/${encodeURIComponent(id)}/error`;
  const headers = { "Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": "Runtime.ExitError" };
  const post = request(`http://${process.env.AWS_LAMBDA_RUNTIME_API}${path}`, { method: "POST", headers });
  post.on("error", () => {});
  post.on("response", (response) => response.resume());
  post.end(errorDocument(id, "Runtime exited without providing a reason"));
}

function watchThreads() {
  process.on("worker", (thread) => {
    thread.on("message", (message) => {
      const channel = message?.[MARK];
      if (!channel) return;
      channel.on("close", () => new Running(message.shared).all().forEach(answerFor));
      channel.unref();
    });
  });
}

if (isMainThread) watchThreads();
else watch(require("./node_modules/aws-lambda-ric/rapid-client.node"));
