// The ordinary function: an event, a library and a file of a layer, a variable, a line of log, an answer.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const capitalize = createRequire(import.meta.url)("lodash.capitalize"); // import does not look into layers, require does
const rate = Number(readFileSync("/opt/rate", "utf8"));

export const handler = async ({ n, item: asked }) => {
  const item = capitalize(asked);
  console.log(`ordered ${item} ${n}`);
  return { n, item, total: n * rate, shop: process.env.SHOP };
};
