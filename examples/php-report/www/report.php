<?php
// The slow page: a CSV goes in, sums come out, after some seconds. It knows
// nothing of outlast but the two lines of progress().
session_start(['read_and_close' => true]); // read, not kept locked
$name = $_SESSION['name'] ?? '';
if ($name === '') {
    header('Location: /', true, 303);
    exit;
}
$file = $_FILES['sales']['tmp_name'] ?? '';
if ($file === '' || ($in = fopen($file, 'r')) === false) {
    http_response_code(422);
    header('Content-Type: text/plain; charset=utf-8');
    exit("There is no CSV in this request.\n");
}

function progress(int $percent, string $text): void
{
    if (isset($_SERVER['OUTLAST_NOTIFY'])) { // not when nginx asks directly
        $to = stream_socket_client('udg://' . $_SERVER['OUTLAST_NOTIFY']);
        fwrite($to, "X_OUTLAST_PROGRESS=$percent $text");
    }
}

$sums = [];
while (($row = fgetcsv($in)) !== false) {
    if (count($row) >= 2 && is_numeric($row[1])) {
        $sums[$row[0]] = ($sums[$row[0]] ?? 0) + $row[1];
    }
}
arsort($sums);

$seconds = (float) (getenv('REPORT_SECONDS') ?: 3);
foreach (['reading', 'sorting', 'adding up', 'drawing', 'binding'] as $i => $what) {
    progress($i * 20, $what);
    usleep((int) ($seconds / 5 * 1e6)); // what makes a real one slow
}

if (($_POST['format'] ?? '') === 'csv') {
    header('Content-Type: text/csv; charset=utf-8');
    header('Content-Disposition: attachment; filename="report.csv"');
    $out = fopen('php://output', 'w');
    foreach ($sums as $product => $sum) {
        fputcsv($out, [$product, $sum]);
    }
    exit;
}
$largest = max($sums ?: [1]);
header('Content-Language: en');
?>
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sales report</title>
<link rel="stylesheet" href="/style.css">
<h1>Sales report for <?= htmlspecialchars($name) ?></h1>
<table>
<?php foreach ($sums as $product => $sum) { ?>
  <tr><th><?= htmlspecialchars($product) ?>
    <td><?= number_format($sum) ?>
    <td><meter max="<?= $largest ?>" value="<?= $sum ?>"></meter>
<?php } ?>
</table>
<p><a href="/">Another one</a>
