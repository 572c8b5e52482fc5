<?php
// Drives the sandbox with PHP's SoapClient, from the sandbox's own ?WSDL, and prints what it got as JSON.
//
//   ecgrid-billing sandbox serve --port 8080
//   php tests/ecgrid_sandbox/soap_client.php ECGRID_V3_URL ECGRID_V4_URL ECGRID_LOGIN_NAME ECGRID_PASSWORD

[, $v3_url, $v4_url, $login, $password] = $argv;

function client(string $url): SoapClient
{
    return new SoapClient("$url?WSDL", ["cache_wsdl" => WSDL_CACHE_NONE, "features" => SOAP_SINGLE_ELEMENT_ARRAYS]);
}

function ask(SoapClient $client, string $operation, array $arguments): mixed
{
    return $client->$operation($arguments)->{$operation . "Result"} ?? null;
}

$v3 = client($v3_url);
$session = ask($v3, "Login", ["LoginName" => $login, "Password" => $password]);
$networks = ask($v3, "NetworkList", ["SessionID" => $session, "Name" => ""]);
$key = [
    "SessionID" => $session,
    "NetworkID" => 4443,
    "MailboxID" => 0,
    "ReportingMonth" => "2026-10-01T00:00:00",
    "AccountReport" => "TrafficKCInterchangeTiered",
    "MeasureField" => "TieredKCIntCount",
];
$line = ask($v3, "InvoiceCalculateLineItem", $key);
$fault = null;
try {
    $other = ["NetworkID" => 4440, "AccountReport" => "TrafficAll", "MeasureField" => "ToKCs"];
    ask($v3, "InvoiceCalculateLineItem", [...$key, ...$other]);
} catch (SoapFault $refused) {
    $fault = $refused->getMessage();
}
$pricelist = ask($v3, "PricelistInfo", ["SessionID" => $session, "PricelistID" => 432]);

$v4 = client($v4_url);
$session4 = ask($v4, "Login", ["LoginName" => $login, "Password" => $password]);
// A DataSet is any XML to PHP; its parsers are in a Debian package of their own.
$counts = implode((array) ask($v4, "InterconnectCount", ["SessionID" => $session4, "MaxDays" => 31])->any);
ask($v4, "Logout", ["SessionID" => $session4]);

echo json_encode([
    "networks" => array_map(fn($network) => $network->NetworkID, $networks->NetworkIDInfo),
    "actual" => (string) $line->Actual,
    "fault" => $fault,
    "levels" => array_map(fn($level) => $level->Level, $pricelist->Levels->Level),
    "columns" => substr_count($counts, "</Table>"),
    "logout" => ask($v3, "Logout", ["SessionID" => $session]),
]);
