// Prices an order: checks it, waits for the stock service, adds up and says when it will arrive.
//
// Event:  {"lines": [{"item": "print", "quantity": 2}], "country": "DE", "placed": "2026-03-13"}   optional: "wait_ms"
// Answer: {"total_cents": 4290, "delivery": "2026-03-17", "in_stock": true, ...}
//
// The stock service is at DOWNSTREAM_URL. Without one the function sleeps in its place.

import { setTimeout as sleep } from "node:timers/promises";
import dayjs from "dayjs";
import { z } from "zod";

const CENTS = { print: 1900, frame: 3400, postcard: 150 };
const SHIPPING_CENTS = { DE: 490, FR: 890, US: 1490 };
const DELIVERY_WORKING_DAYS = { DE: 2, FR: 3, US: 6 };
const FREE_SHIPPING_FROM_CENTS = 5000;
const DOWNSTREAM_TIMEOUT_MS = 5000;

const Order = z.strictObject({
  lines: z.array(z.strictObject({ item: z.enum(Object.keys(CENTS)), quantity: z.int().min(1).max(100) })).min(1).max(50),
  country: z.enum(Object.keys(SHIPPING_CENTS)),
  placed: z.iso.date(),
  wait_ms: z.int().min(0).max(2000).default(50),
});

export const handler = async (event, context) => {
  const environment = context.logStreamName;
  const parsed = Order.safeParse(event);
  if (!parsed.success) {
    console.warn("refused an order:", z.prettifyError(parsed.error));
    return { error: z.prettifyError(parsed.error), environment };
  }
  const order = parsed.data;
  const in_stock = await askStockService(order.lines.map((line) => line.item), order.wait_ms);
  return { ...price(order), delivery: deliveryDate(order), in_stock, environment };
};

async function askStockService(items, waitMs) {
  if (!process.env.DOWNSTREAM_URL) {
    await sleep(waitMs);
    return true;
  }
  const question = new URLSearchParams({ items: items.join(","), wait_ms: waitMs });
  const answer = await fetch(`${process.env.DOWNSTREAM_URL}?${question}`, {
    signal: AbortSignal.timeout(DOWNSTREAM_TIMEOUT_MS),
  });
  return (await answer.json()).in_stock;
}

function price({ lines, country }) {
  const goods_cents = lines.reduce((sum, { item, quantity }) => sum + CENTS[item] * quantity, 0);
  const shipping_cents = goods_cents >= FREE_SHIPPING_FROM_CENTS ? 0 : SHIPPING_CENTS[country];
  return { goods_cents, shipping_cents, total_cents: goods_cents + shipping_cents };
}

function deliveryDate({ country, placed }) {
  let day = dayjs(placed);
  for (let left = DELIVERY_WORKING_DAYS[country]; left > 0; ) {
    day = day.add(1, "day");
    if (day.day() !== 0 && day.day() !== 6) left -= 1;
  }
  return day.format("YYYY-MM-DD");
}
