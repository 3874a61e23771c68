// A function that streams its answer; its event says how.
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function written(stream, piece) {
  if (!stream.write(piece)) await new Promise((resolve) => stream.once("drain", resolve));
}

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("text/plain");
  await written(stream, "first,");
  if (event.wait) await pause(event.wait);
  if (event.fail) throw new TypeError(event.fail);
  if (event.leave) process.exit(1);
  for (let left = event.kilobytes ?? 0; left > 0; left -= 64) await written(stream, Buffer.alloc(65536, "x"));
  await written(stream, "last");
  stream.end();
});
