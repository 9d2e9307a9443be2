# What a running proxy may do in Vault, and nothing else. The tests of
# vault/keys run under this very file.
#
# Names: Transit key "chaperone" in the mount transit/, keyset "chaperone" in the
# KV version 2 mount secret/. Change them here where chaperone.yaml has others.

# Wrap and unwrap the keyset. The Transit key itself can neither be read,
# rotated, exported nor deleted.
path "transit/encrypt/chaperone" {
  capabilities = ["update"]
}

path "transit/decrypt/chaperone" {
  capabilities = ["update"]
}

# Read the keyset, and write it with check-and-set: a new generation, or the
# same keys under a rotated Transit key. Not delete, not the versions' metadata.
path "secret/data/chaperone" {
  capabilities = ["create", "read", "update"]
}

# See and renew its own token: the parts of Vault's default policy that are
# needed where a token is made without it.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
