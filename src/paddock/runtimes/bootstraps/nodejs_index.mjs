// Starts the client of Node.js before 22, which is a library and not a program.
import { run } from "./node_modules/aws-lambda-ric/index.mjs";

await run(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER);
