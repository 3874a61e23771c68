// Tells whom it works for, and whom its environment has worked for before.

const seen = new Set();

export const handler = async (event, context) => {
  seen.add(context.tenantId);
  console.warn("working");
  return { tenant: context.tenantId, seen: [...seen], environment: process.env.AWS_LAMBDA_LOG_STREAM_NAME };
};
