// Drives the sandbox with node's `soap` package, from the sandbox's own ?WSDL, and prints what it got as JSON.
//
//   npm install soap                       (in some folder)
//   export NODE_PATH=that/folder/node_modules
//   ecgrid-billing sandbox serve --port 8080
//   node tests/ecgrid_sandbox/soap_client.mjs ECGRID_V3_URL ECGRID_V4_URL ECGRID_LOGIN_NAME ECGRID_PASSWORD

import { createRequire } from "node:module";

const soap = createRequire(import.meta.url)("soap");
const [v3Url, v4Url, LoginName, Password] = process.argv.slice(2);

// as text, so that no number becomes a float
const options = { customDeserializer: { decimal: (text) => text } };
const v3 = await soap.createClientAsync(`${v3Url}?WSDL`, options);
const ask = async (client, operation, args) => (await client[`${operation}Async`](args))[0]?.[`${operation}Result`];

const SessionID = await ask(v3, "Login", { LoginName, Password });
const networks = await ask(v3, "NetworkList", { SessionID, Name: "" });
const key = {
  SessionID,
  NetworkID: 4443,
  MailboxID: 0,
  ReportingMonth: "2026-10-01T00:00:00",
  AccountReport: "TrafficKCInterchangeTiered",
  MeasureField: "TieredKCIntCount",
};
const line = await ask(v3, "InvoiceCalculateLineItem", key);
let fault = null;
try {
  await ask(v3, "InvoiceCalculateLineItem", {
    ...key,
    NetworkID: 4440,
    AccountReport: "TrafficAll",
    MeasureField: "ToKCs",
  });
} catch (error) {
  fault = error.root.Envelope.Body.Fault.faultstring;
}
const pricelist = await ask(v3, "PricelistInfo", { SessionID, PricelistID: 432 });

const v4 = await soap.createClientAsync(`${v4Url}?WSDL`, options);
const session4 = await ask(v4, "Login", { LoginName, Password });
const counts = await ask(v4, "InterconnectCount", { SessionID: session4, MaxDays: 31 });
await ask(v4, "Logout", { SessionID: session4 });

console.log(
  JSON.stringify({
    networks: networks.NetworkIDInfo.map((network) => network.NetworkID),
    actual: String(line.Actual),
    fault,
    levels: pricelist.Levels.Level.map((level) => level.Level),
    columns: counts.diffgram.NewDataSet.Table.length,
    logout: await ask(v3, "Logout", { SessionID }),
  }),
);
