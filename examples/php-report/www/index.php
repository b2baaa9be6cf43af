<?php
// The quick page: who are you, and what shall be in the report?
session_start();
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    $_SESSION['name'] = trim($_POST['name'] ?? '');
    header('Location: /', true, 303);
    exit;
}
$name = htmlspecialchars($_SESSION['name'] ?? '');
?>
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sales</title>
<link rel="stylesheet" href="/style.css">
<h1>Sales report</h1>
<?php if ($name === '') { ?>
<form method="post">
  <label>Your name <input name="name" required maxlength="60" autofocus></label>
  <button>Log in</button>
</form>
<?php } else { ?>
<p>You are logged in as <b><?= $name ?></b>.</p>
<form method="post" action="/report.php" enctype="multipart/form-data">
  <label>Sales, a CSV of product and amount
    <input type="file" name="sales" accept=".csv,text/csv" required></label>
  <label>Report as
    <select name="format"><option value="html">a page<option value="csv">CSV, to download</select></label>
  <button>Make the report</button>
</form>
<?php } ?>
