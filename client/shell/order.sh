#!/usr/bin/env bash
# From a login to the page of a code, with curl. Docs: docs/sandbox.md.
set -euo pipefail
BASE=${BASE:-http://127.0.0.1:8080} # http.public_url of the api
APP_KEY=${APP_KEY:?Set it to sign.app_key of the api}
CODE=${CODE:?Set it to a code of wx.login; the sandbox takes any, for example alice}
SANDBOX=${SANDBOX:-} # From `cargo xtask up`: pays the order. Without it, a person pays.

fetch() { curl --silent --show-error "$@"; }
sign() { # KEY NAME=VALUE…
  local key=$1; shift
  { printf '%s\n' "$@" | LC_ALL=C sort | tr '\n' '&'; printf 'key=%s' "$key"; } | md5sum | cut -c -32
}
call() { # ROUTE KEY NAME=VALUE…
  local route=$1 key=$2 field fields=() answer; shift 2
  set -- "$@" "ts=$(date +%s)"
  # The route is signed but not sent.
  for field in "$@" "sign=$(sign "$key" "$@" "route=$route")"; do fields+=(--data-urlencode "$field"); done
  answer=$(fetch "${BASE%/}$route" "${fields[@]}")
  case $answer in
    *'"errcode":200'*) echo "$answer" ;;
    *) echo "$route failed: $answer" >&2; exit 1 ;;
  esac
}
value() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; } # of a JSON answer

login=$(call /login "$APP_KEY" "code=$CODE")
openid=$(value openid <<<"$login")
sign_key=$(value signKey <<<"$login")

data='{"openId":"'$openid'","name":"小店 '$RANDOM'","payloads":{
  "wechat":"wxp://f2f0EXAMPLE_EXAMPLE_EXAMPLE_EXAMPLE_EXAMPLE_EX",
  "alipay":"https://qr.alipay.com/fkx00000EXAMPLE000000"}}'
data=${data//$'\n'/}
order=$(call /newOrder "$sign_key" "data=$data" totalFee=990)
echo "$order" # A mini-program opens PayJS's with "params"; the person pays there.

if [ -n "$SANDBOX" ]; then
  # The sandbox plays PayJS's mini-program: it takes the "params" and answers PayJS's number of the order.
  params=$(sed 's/.*"params":\({[^}]*}\).*/\1/' <<<"$order")
  json=(--header 'Content-Type: application/json' --header 'Accept: application/json')
  opened=$(fetch "${json[@]}" --data "$params" "${SANDBOX%/}/payjs/miniapp")
  payment=$(value payjs_order_id <<<"$opened")
  [ -n "$payment" ] || { echo "PayJS made no order: $opened" >&2; exit 1; }
  fetch "${json[@]}" --request POST "${SANDBOX%/}/payjs/miniapp/$payment/pay" >/dev/null
fi

number=$(value out_trade_no <<<"$order")
while answer=$(fetch "${BASE%/}/checkOrder?out_trade_no=$number"); do
  case $answer in
    *'"order_id"'*) break ;;
    *'"pending"'*) sleep 1 ;;
    *) echo "/checkOrder failed: $answer" >&2; exit 1 ;;
  esac
done
echo "${BASE%/}/qr?id=$(value order_id <<<"$answer")"
