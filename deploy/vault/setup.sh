#!/bin/sh
# Sets Vault up for Chaperone: a Transit key, a KV version 2 mount, the policy
# beside this file, and an AppRole whose role id and secret id are written to
# two files. It asks Vault with curl and nothing else, and may be run again: what
# is there stays, and the secret id is made anew.
#
#   VAULT_ADDR=https://vault.clinic.internal:8200 VAULT_TOKEN=… deploy/vault/setup.sh [FOLDER]
#
# FOLDER (default: .) gets role-id and secret-id. With an authority of your own,
# set CURL_CA_BUNDLE to its PEM file; with a namespace, VAULT_NAMESPACE.
set -eu
umask 077

here=$(dirname "$0")
folder=${1:-.}
: "${VAULT_ADDR:?set it to the URL of Vault}" "${VAULT_TOKEN:?set it to an admin token}"

# The token goes to curl by a file of its own, not by its command line, where
# every user of the machine could read it.
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
printf 'X-Vault-Token: %s\n' "$VAULT_TOKEN" >"$headers"
if [ -n "${VAULT_NAMESPACE:-}" ]; then printf 'X-Vault-Namespace: %s\n' "$VAULT_NAMESPACE" >>"$headers"; fi

vault() { # METHOD PATH [curl arguments…]
	method=$1 path=$2
	shift 2
	curl -sS --fail-with-body -X "$method" -H "@$headers" "$@" "$VAULT_ADDR/v1/$path"
}

# mounted LIST PATH: whether something is mounted there already.
mounted() { vault GET "$1" | grep -q "\"$2/\":"; }

mounted sys/mounts transit || vault POST sys/mounts/transit -d '{"type":"transit"}'
mounted sys/mounts secret || vault POST sys/mounts/secret -d '{"type":"kv","options":{"version":"2"}}'
mounted sys/auth approle || vault POST sys/auth/approle -d '{"type":"approle"}'

# Making a key that exists changes nothing.
vault POST transit/keys/chaperone -d '{"type":"aes256-gcm96"}' >/dev/null
vault PUT sys/policies/acl/chaperone --data-urlencode "policy@$here/chaperone.hcl"
vault POST auth/approle/role/chaperone \
	-d '{"token_policies":["chaperone"],"token_no_default_policy":true,"token_ttl":"1h","token_max_ttl":"24h"}'

value() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
vault GET auth/approle/role/chaperone/role-id | value role_id >"$folder/role-id"
vault POST auth/approle/role/chaperone/secret-id | value secret_id >"$folder/secret-id"
[ -s "$folder/role-id" ] && [ -s "$folder/secret-id" ]
echo "wrote $folder/role-id and $folder/secret-id"
