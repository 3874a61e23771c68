// A page that is streamed: status, headers and cookies first, by the helper of AWS's own client.
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

export const handler = awslambda.streamifyResponse(async (event, stream) => {
  const page = awslambda.HttpResponseStream.from(stream, {
    statusCode: 203,
    headers: { "Content-Type": "text/plain", "X-Path": event.rawPath },
    cookies: ["a=1", "b=2"],
  });
  page.write("first,");
  await pause(0.5);
  if (event.rawPath === "/fail") throw new TypeError("as asked");
  const left = Number(event.queryStringParameters?.kilobytes ?? 0);
  for (let written = 0; written < left; written += 64) {
    if (!page.write(Buffer.alloc(65536, "x"))) await new Promise((resolve) => page.once("drain", resolve));
  }
  page.write("last");
  page.end();
});
