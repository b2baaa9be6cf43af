#!/bin/bash
# examples/signup behind nginx/app-pool.conf with a real mail server: the page
# does not wait for the mail, the mail arrives whole, and when it cannot be
# sent the visitor sees no difference and the log has the reason, no address.
# Controls: who talks to the sleeping mail server himself waits; a mail with one
# other byte is not right; the list, unlike the log, has addresses.
. "$(dirname "$0")/../lib/lib.sh"

SIGNUP=$BUILD/examples/signup/signup
pkg-config --exists libcurl || skip "libcurl4-openssl-dev is missing"
need "$SIGNUP"
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null ||
	skip "no mail server: python3-aiosmtpd is missing"

smtp_port=$(free_port)
/usr/bin/python3 -c 'import mailbox, sys; mailbox.Maildir(sys.argv[1])' "$T/mail"
start_smtp() {
	start smtp /usr/bin/python3 -m aiosmtpd -n -l "127.0.0.1:$smtp_port" \
		-c aiosmtpd.handlers.Mailbox "$T/mail"
	smtp=$pid
	wait_for 10 curl -s --max-time 1 "smtp://127.0.0.1:$smtp_port"
}

start_smtp
export SIGNUP_SMTP=smtp://127.0.0.1:$smtp_port SIGNUP_LIST=$T/addresses
export SIGNUP_PICTURE=$SRC/examples/signup/welcome.jpg
export OUTLAST_SHUTDOWN_DELAY=5
start signup "$SIGNUP" --listen "unix:$T/app.sock"
signup=$pid
wait_for 5 test -S "$T/app.sock"
start_nginx keep "$T/app.sock"

mails() {
	[ "$(find "$T/mail/new" -type f | wc -l)" -eq "$1" ]
}

post() {
	http / --data-urlencode "address=$1"
}

expect "the form" "$(http /)" 200
grep -q 'name=address' "$T/body" || fail "the page has no form"
expect "another method" "$(http / -X DELETE)" 405

# Mail server asleep: the page does not wait for it. The mail comes later.
kill -STOP "$smtp"
start_watch
expect "sign-up" "$(post visitor@example.org)" 303
within 1000 "the page, while the mail server slept"
curl -s --max-time 1.5 "smtp://127.0.0.1:$smtp_port" >"$T/asleep"
expect "the control: curl's own mail, a timeout" $? 28
expect "the list" "$(cat "$T/addresses")" visitor@example.org
mails 0 || fail "there is a mail already"
kill -CONT "$smtp"
wait_for 10 mails 1
cat >"$T/mail.py" <<'END'
import email, email.policy, sys
with open(sys.argv[1], "rb") as f:
    mail = email.message_from_binary_file(f, policy=email.policy.default)
with open(sys.argv[2], "rb") as f:
    picture = f.read()
assert mail["To"] == "visitor@example.org", mail["To"]
assert mail["From"] == "welcome@example.org", mail["From"]
assert mail["Subject"] == "Welcome" and mail["Date"].datetime.year > 2020
assert mail["X-RcptTo"] == "visitor@example.org", mail["X-RcptTo"]
assert "Welcome!" in mail.get_body().get_content()
parts = list(mail.iter_attachments())
assert len(parts) == 1 and parts[0].get_content_type() == "image/jpeg"
assert parts[0].get_filename() == "welcome.jpg"
assert parts[0].get_content() == picture
END
right() {
	/usr/bin/python3 "$T/mail.py" "$1" "$SIGNUP_PICTURE"
}
right "$T"/mail/new/* || fail "the mail is not right"
# The first line of the picture: JPEG begins with /9j/ in Base64.
sed 's|^/9j/|/9k/|' "$T"/mail/new/* >"$T/damaged"
cmp -s "$T"/mail/new/* "$T/damaged" && fail "nothing was damaged"
right "$T/damaged" 2>"$T/damaged.why" &&
	fail "the control did not fall: a damaged mail is right"

# Nothing that could end a line gets through; what is shown again is escaped.
expect "a second header" "$(post $'a@b.example\r\nBcc: x@y.example')" 422
expect "markup" "$(post '"><script>alert(1)</script>@b.example')" 422
grep -q '<script>' "$T/body" && fail "markup of a visitor is in the page"
grep -q '&#60;script&#62;' "$T/body" || fail "the address is not shown again"
expect "no address" "$(http / -d name=a@b.example)" 422
expect "a body too large" \
	"$(http / -d "address=a@b.example&x=$(printf '%05000d' 0)")" 413
expect "lines in the list" "$(lines . "$T/addresses")" 1

# Mail server gone.
stop "$smtp"
expect "sign-up without a mail server" "$(post second@example.org)" 303
wait_for 10 grep -q 'signup: welcome mail: not sent: ' "$T/signup.log"
say "$(tail -n 1 "$T/signup.log")"
expect "the list" "$(tail -n 1 "$T/addresses")" second@example.org

# The list cannot be written: the visitor is told, and no mail is sent.
mv "$T/addresses" "$T/kept"
mkdir "$T/addresses"
expect "sign-up without a list" "$(post third@example.org)" 503
rmdir "$T/addresses"

# A stop waits for the mail; what cannot be sent within the budget is reported.
start_smtp
kill -STOP "$smtp"
expect "sign-up before a stop" "$(post fourth@example.org)" 303
start_watch
stop "$signup" TERM 8
within 5500 'the stop, whose budget is 5 s'
say "$(tail -n 1 "$T/signup.log")"
[ $took -ge 2000 ] || fail "the stop did not wait for the mail: $took ms"
grep -q 'not sent: the process has to end now' "$T/signup.log" ||
	fail "the unsent mail was not reported"
expect "exit status: the item ended, though not well" "$exited" 0
kill -CONT "$smtp"

expect "addresses in the list" "$(lines '@example.org' "$T/kept")" 2
expect "addresses in the log" "$(lines '@example.org' "$T/signup.log")" 0
mails 1 || fail "there is a mail that should not be"
