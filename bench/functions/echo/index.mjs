// Answers with its event: large answers as well as large events.
export const handler = async (event) => event;
