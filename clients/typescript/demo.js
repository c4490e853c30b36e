// An integrator's first invoice: from an empty company to a corrected document, over the API alone.
//
//     KVIT_URL=http://127.0.0.1:8000 KVIT_KEY=kvit_… node demo.js [2026-10-01]
//
// The argument is a day of the month to bill; it must be over by the company's clock. A worker must
// be running (`kvit serve` starts one). Started again, it changes nothing.
import { Kvit, KvitError } from "./kvit.js";

const MONTH = (process.argv[2] ?? "2026-10-01").slice(0, 7);
const kvit = new Kvit(process.env.KVIT_URL, process.env.KVIT_KEY);
const say = (text) => console.log(text);

async function prepare() {
  await kvit.saveSeller("demo", { name: "ООО «Демо»" }, { once: "demo-seller" });
  const { plans } = await kvit.readCatalogue();
  if (!plans.some((one) => one.code === "demo")) {
    await kvit.publishCatalogue({
      meters: [{ code: "demo_calls", name: "Вызовы API", unit: "вызов" }],
      plans: [{ code: "demo", name: "Демо", seller: "demo" }],
      prices: [
        { plan: "demo", code: "fee", name: "Абонентская плата", price: { model: "flat", amount: "10000.00" } },
        {
          plan: "demo", code: "calls", name: "Вызовы API", meter: "demo_calls",
          price: {
            model: "graduated",
            tiers: [{ up_to: "100000", unit: "0" }, { up_to: "500000", unit: "0.02" }, { up_to: null, unit: "0.015" }],
          },
          examples: [{ units: "620000", amount: "9800.00" }],
        },
      ],
      reason: "demo",
    });
  }
  await kvit.createCustomer({ code: "demo", name: "ООО «Ромашка»" }, { once: "demo-customer" });
  const subscription = { code: "demo-1", customer: "demo", plan: "demo", start: `${MONTH}-01` };
  await kvit.openSubscription(subscription, { once: "demo-subscription" });
}

async function bill() {
  let run = await kvit.startRun({ period: `${MONTH}-01`, action: "bill" }, { once: `demo-run-${MONTH}` });
  while (run.status === "queued" || run.status === "running") {
    await new Promise((done) => setTimeout(done, 300));
    run = await kvit.readRun(run.id);
  }
  say(`run: ${run.status}`);
  for await (const one of kvit.pages((after) => kvit.listInvoices({ after, customer: "demo", order: "day" })))
    if (one.kind === "invoice") return one;
}

async function correct(invoice) {
  const { lines } = await kvit.readInvoice(invoice);
  const fee = lines.find((one) => one.name === "Абонентская плата").position;
  const wanted = { way: "credit", lines: [{ line: fee, amount: "1000.00" }] };
  const seen = await kvit.previewCorrection(invoice, wanted);
  try {
    const made = await kvit.correctInvoice(
      invoice, { ...wanted, token: seen.token, reason: "простой" }, { once: `fix-${invoice}` });
    say(`corrected by ${made.number}: ${seen.after.total.amount} ${seen.after.total.currency} is left`);
  } catch (error) {
    if (!(error instanceof KvitError)) throw error;
    say(`corrected before: ${error.code}`);
  }
}

await prepare();
const events = [["05", "100000"], ["15", "200000"], ["25", "320000"]].map(([day, value]) => ({
  id: `${MONTH}-${day}`, subscription: "demo-1", meter: "demo_calls", value, time: `${MONTH}-${day}T12:00:00+03:00`,
}));
const first = await kvit.sendEvents(events);
const again = await kvit.sendEvents(events);
say(`events: ${first.accepted} accepted; sent again: ${again.accepted} accepted, ${again.repeated} repeated`);
const invoice = await bill();
say(`invoice ${invoice.number}: ${invoice.total.amount} ${invoice.total.currency}`);
const why = await kvit.explainInvoiceLine(invoice.id, "1");
say(`line 1 computed again: ${why.agrees ? "agrees" : "DIFFERS"}`);
await correct(invoice.id);
