#!/bin/sh
# A task program in shell: a JPEG on standard input, alone or in the form that
# brought it; the same picture on standard output, no side longer than --size.
# Exit 65 says that the picture is no good, so that it is not tried again.
#
# Its folder is empty, its own, and removed afterwards ("directory scratch").
set -eu

progress() {
	[ -z "${NOTIFY_SOCKET:-}" ] ||
		systemd-notify --no-block "X_OUTLAST_PROGRESS=$*" || :
}

fail() {
	echo "thumbnail: $2" >&2
	exit "$1"
}

case $#,${1:-},${2:-} in
2,--size,*[!0-9]* | 2,--size, | 2,--size,0*) ;;
2,--size,*) size=$2 ;;
esac
[ -n "${size:-}" ] || fail 64 'usage: thumbnail.sh --size PIXELS'

# A form is a header for each field, an empty line, and the picture. A decoder
# stops at the picture's end, so what follows it does no harm.
case ${OUTLAST_CONTENT_TYPE:-} in
multipart/form-data*) LC_ALL=C sed '1,/^\r$/d' >in.jpg ;;
*) cat >in.jpg ;;
esac

# A few bytes can claim to be a picture of any size: ask first.
width=0 height=0
eval "$(rdjpgcom -verbose in.jpg | LC_ALL=C sed -n \
	's/^JPEG image is \([0-9]*\)w \* \([0-9]*\)h,.*/width=\1 height=\2/p')"
[ $((width * height)) -gt 0 ] || fail 65 'not a JPEG'
[ $((width * height)) -le 100000000 ] || fail 65 'more than 100 million pixels'

progress 20 decoding
djpeg -strict -maxscans 100 -outfile in.ppm in.jpg || fail 65 'a damaged JPEG'

progress 60 shrinking
if [ "$width" -gt "$size" ] || [ "$height" -gt "$size" ]; then
	pamscale -xyfit "$size" "$size" in.ppm >out.ppm
else
	mv in.ppm out.ppm
fi

progress 90 encoding
cjpeg -quality 85 -optimize out.ppm
